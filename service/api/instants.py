"""Times that come in."""

import re
from datetime import UTC, datetime
from typing import Annotated

from pydantic import AfterValidator, AwareDatetime, BeforeValidator

_WRITTEN = re.compile(
    r"\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}:\d{2}(\.\d+)?([Zz]|[+-]\d{2}:\d{2})",
    re.ASCII,
)
"""RFC 3339, section 5.6: what the document's ``date-time`` says. Bare numbers would be read as seconds since 1970."""


def _written(value: object) -> object:
    if not isinstance(value, str) or not _WRITTEN.fullmatch(value):
        raise ValueError("a time is written as in 2026-01-31T12:00:00Z (RFC 3339)")
    return value


def _in_utc(time: datetime) -> datetime:
    try:
        return time.astimezone(UTC)
    except OverflowError:
        raise ValueError("the time lies outside the years 1 to 9999") from None


Instant = Annotated[AwareDatetime, BeforeValidator(_written), AfterValidator(_in_utc)]
"""With a time zone; in UTC afterwards."""
