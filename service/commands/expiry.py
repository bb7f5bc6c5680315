"""The parameter types of ``--expires`` and ``--expires-after``: a length of time, or a date."""

import re
from datetime import UTC, datetime, timedelta

import click

_LENGTH = re.compile(r"([0-9]{1,5})([dh])")
_UNITS = {"d": timedelta(days=1), "h": timedelta(hours=1)}


class Lifetime(click.ParamType[timedelta]):
    """``30d`` or ``12h``."""

    name = "length of time"

    def convert(self, value: str | timedelta, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        """See the class."""
        if isinstance(value, timedelta):
            return value
        length = _LENGTH.fullmatch(value)
        if length is None:
            self.fail(f"'{value}' is not like 30d or 12h", param, ctx)
        return int(length[1]) * _UNITS[length[2]]


class Expiry(click.ParamType[datetime]):
    """``30d`` and ``12h`` from now, or an ISO 8601 date or time; a date means its first moment.

    Without a time zone it is UTC.
    """

    name = "expiry"

    def convert(self, value: str | datetime, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """See the class."""
        if isinstance(value, datetime):
            return value
        length = _LENGTH.fullmatch(value)
        if length:
            return datetime.now(UTC) + int(length[1]) * _UNITS[length[2]]
        try:
            time = datetime.fromisoformat(value)
            return (time if time.tzinfo else time.replace(tzinfo=UTC)).astimezone(UTC)
        except (ValueError, OverflowError):
            self.fail(f"'{value}' is neither like 30d or 12h nor a date like 2030-01-31", param, ctx)
