"""What the audit log says: an attempt before anything is recovered, its outcome after."""

import json
import re
import unicodedata
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Literal
from uuid import UUID

from service.errors import ReasonInvalid

MAX_TEXT = 1000

Kind = Literal["intent", "outcome"]

# Control characters would forge lines in exported logs; PostgreSQL and RFC 8785 refuse NUL and lone surrogates.
_FORBIDDEN = {"Cc", "Cs"}
_CODE = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")


class Result(StrEnum):
    """How an attempt ended."""

    GRANTED = "granted"
    DENIED = "denied"
    INVALID = "invalid"
    FAILED = "failed"


def validated_text(text: str, name: str = "reason") -> str:
    """Return ``text`` without surrounding space, fit for the audit log.

    Args:
        text: what a person wrote.
        name: what to call it in the error.

    Raises:
        ReasonInvalid: it is empty, longer than 1000 characters, or holds control characters (line breaks and
            NUL among them) or lone surrogates.
    """
    stripped = text.strip()
    if not stripped:
        raise ReasonInvalid(f"the {name} must not be empty")
    if len(stripped) > MAX_TEXT:
        raise ReasonInvalid(f"the {name} must not be longer than {MAX_TEXT} characters")
    if any(unicodedata.category(character) in _FORBIDDEN for character in text):
        raise ReasonInvalid(f"the {name} must not hold line breaks or other control characters")
    return stripped


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

    def __post_init__(self) -> None:
        for name in ("subject", "reason", "case", "request", "client"):
            text = getattr(self, name)
            if text is not None:
                validated_text(text, name)

    def body(self) -> bytes:
        """Canonical bytes of the entry: UTF-8 JSON, keys sorted, no spaces."""
        return _json(
            {
                "attempt": str(self.id),
                "case": self.case,
                "client": self.client,
                "image_digest": self.image_digest.hex(),
                "kind": "intent",
                "reason": self.reason,
                "record": _text(self.record),
                "request": self.request,
                "subject": self.subject,
                "tenant": self.tenant,
                "time": _instant(self.time),
            }
        )


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

    def __post_init__(self) -> None:
        if not _CODE.fullmatch(self.detail):
            raise ValueError("the detail of an outcome is a short code")

    def body(self) -> bytes:
        """Canonical bytes of the entry: UTF-8 JSON, keys sorted, no spaces."""
        return _json(
            {
                "attempt": str(self.attempt),
                "detail": self.detail,
                "fidelity": self.fidelity,
                "key_version": self.key_version,
                "kind": "outcome",
                "record": _text(self.record),
                "result": self.result.value,
                "time": _instant(self.time),
            }
        )


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """A committed entry.

    Attributes:
        tenant: whose log it is in.
        index: place in that log, from 0, without gaps.
        attempt: the attempt it belongs to.
        kind: intent or outcome.
        time: UTC.
        body: UTF-8 JSON, exactly as committed.
    """

    tenant: str
    index: int
    attempt: UUID
    kind: Kind
    time: datetime
    body: bytes


def _json(fields: dict[str, Any]) -> bytes:
    return json.dumps(fields, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def _text(value: UUID | None) -> str | None:
    return None if value is None else str(value)


def _instant(time: datetime) -> str:
    return time.astimezone(UTC).isoformat(timespec="microseconds")
