"""What the audit log says: an attempt before anything is recovered, its outcome after, and other actions."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from uuid import UUID

import rfc8785

from service.errors import AuditValueInvalid
from service.plain_text import is_plain, validated_text

LEASE = timedelta(minutes=15)
"""How long an attempt may be silent before it counts as interrupted; while it goes on, its lease is renewed."""

Value = str | int | None
"""What a field of an entry may be."""

_CODE = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")


class Kind(StrEnum):
    """What an entry is about."""

    INTENT = "intent"
    OUTCOME = "outcome"
    APPROVAL = "approval"
    ERASE = "erase"
    ERASED = "erased"
    INSPECTION = "inspection"
    """A question about a record that was refused."""
    REFUSALS = "refusals"
    """More of them than are written down one by one: how many, of whom and why."""
    FOREIGN_ATTEMPT = "foreign-attempt"
    KEY_DESTRUCTION = "key-destruction"
    """Asked for: without an entry that it was done, nobody may rely on either."""
    KEY_DESTROYED = "key-destroyed"


class Result(StrEnum):
    """How an attempt ended."""

    GRANTED = "granted"
    DENIED = "denied"
    INVALID = "invalid"
    FAILED = "failed"
    INTERRUPTED = "interrupted"


@dataclass(frozen=True, slots=True, kw_only=True)
class RecoveryAttempt:
    """The intent: committed before any key is fetched.

    Attributes:
        id: fresh for each attempt.
        tenant: on whose behalf.
        subject: who asks.
        reason: why, in the words of the subject.
        case: the file or ticket it belongs to.
        record: the record asked for, once known.
        image_digest: SHA-256 of the image handed in.
        request: id of the request.
        client: where it came from.
        time: timezone-aware.
        lease: after this long without an outcome or a renewal it counts as interrupted.

    Raises:
        ReasonInvalid: a text is not fit for the log, see ``validated_text``.
    """

    id: UUID
    tenant: str
    subject: str
    reason: str
    case: str | None
    record: UUID | None
    image_digest: bytes
    request: str | None
    client: str | None
    time: datetime
    lease: timedelta = LEASE

    def __post_init__(self) -> None:
        for name in ("subject", "reason", "case", "request", "client"):
            text = getattr(self, name)
            if text is not None:
                validated_text(text, name)

    def fields(self) -> dict[str, Value]:
        """What the entry says beyond tenant, kind, attempt and time."""
        return {
            "case": self.case,
            "client": self.client,
            "image_digest": self.image_digest.hex(),
            "lease_until": instant(self.time + self.lease),
            "reason": self.reason,
            "record": _text(self.record),
            "request": self.request,
            "subject": self.subject,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How an attempt ended: committed before its answer leaves.

    Attributes:
        attempt: id of the attempt.
        time: timezone-aware.
        result: granted, or why not in one word.
        detail: a stable short code of a-z, 0-9 and '-', never the text of an exception.
        record: the record found.
        key_version: the key used.
        fidelity: what was handed out.
        approval: the approval of a second person that was used.

    Raises:
        ValueError: ``detail`` is no such code.
    """

    attempt: UUID
    time: datetime
    result: Result
    detail: str
    record: UUID | None = None
    key_version: int | None = None
    fidelity: str | None = None
    approval: UUID | None = None

    def __post_init__(self) -> None:
        if not _CODE.fullmatch(self.detail):
            raise ValueError("the detail of an outcome is a short code")

    def fields(self) -> dict[str, Value]:
        """What the entry says beyond tenant, kind, attempt and time."""
        return {
            "approval": _text(self.approval),
            "detail": self.detail,
            "fidelity": self.fidelity,
            "key_version": self.key_version,
            "record": _text(self.record),
            "result": self.result.value,
        }


def entry_body(tenant: str, kind: Kind, attempt: UUID, time: datetime, fields: Mapping[str, Value]) -> bytes:
    """The canonical bytes of an entry: RFC 8785.

    Raises:
        AuditValueInvalid: an integer beyond 2^53 - 1, or text with control characters or lone surrogates.
        ValueError: ``fields`` holds one of the four names all entries have, or a value of another type.
    """
    common = {"attempt": str(attempt), "kind": kind.value, "tenant": tenant, "time": instant(time)}
    if common.keys() & fields.keys():
        raise ValueError("a field of an entry is given twice")
    for value in fields.values():
        if not isinstance(value, str | int | None):
            raise ValueError("an entry holds strings, integers and nulls")
        if isinstance(value, str) and not is_plain(value):
            raise AuditValueInvalid("an audit entry must not hold line breaks or other control characters")
    try:
        return rfc8785.dumps({**common, **fields})
    except rfc8785.CanonicalizationError as error:
        raise AuditValueInvalid("an audit entry must not hold integers beyond 2^53 - 1") from error


def instant(time: datetime) -> str:
    """RFC 3339, UTC, microseconds."""
    return time.astimezone(UTC).isoformat(timespec="microseconds")


def _text(value: UUID | None) -> str | None:
    return None if value is None else str(value)
