"""Erase one image, as far as it can be; between two entries of the audit log."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal
from uuid import UUID, uuid4

from service.audit.entry import Kind, Result, Value
from service.errors import RecordErased, RecordUnknown, Refused
from service.operations.foreign import DeniedAttempt, tell_owners
from service.operations.parts import Parts
from service.operations.verdict import verdict

Erased = Literal["image", "exact-copy", "nothing"]
"""What is gone: the image can never be recovered; or its exact copy, and it still can from its pixels; or there
was no copy in the database."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EraseRequest:
    """What is to be erased, and on whose behalf.

    Attributes:
        tenant: whose record it must be; from the caller's credentials.
        subject: who asks.
        record: id of the record.
        request: id of the request, for the log.
        client: address of the caller, for the log.
    """

    tenant: str
    subject: str
    record: UUID
    request: str | None = None
    client: str | None = None


def erase(request: EraseRequest, parts: Parts) -> Erased:
    """Erase what the database holds of an image.

    Raises:
        AuditUnavailable: an entry could not be committed; behind the first nothing is erased.
        RecordUnknown: the tenant has no such record.
        RecordErased: it was erased before, or has expired.
        DatabaseUnavailable: not done, or done and the old bytes not yet overwritten; doing it again helps.
    """
    attempt = uuid4()
    asked = {"client": request.client, "record": str(request.record), "request": request.request}
    _log(request, Kind.ERASE, attempt, {**asked, "subject": request.subject}, parts)
    try:
        what = _erase(request, parts)
    except BaseException as error:
        result, detail = verdict(error)
        _log(request, Kind.ERASED, attempt, _end(request, result, detail), parts)
        if isinstance(error, Refused):
            denied = DeniedAttempt(
                tenant=request.tenant, subject=request.subject, attempt=attempt, record=request.record
            )
            parts.afterwards(lambda: tell_owners(denied, parts))
        raise
    _log(request, Kind.ERASED, attempt, _end(request, Result.GRANTED, what), parts)
    return what


def _erase(request: EraseRequest, parts: Parts) -> Erased:
    stored = parts.records.by_id(request.tenant, request.record)
    if stored is None and not parts.records.removed(request.tenant, request.record):
        raise RecordUnknown("there is no such record")
    if stored is None or stored.erasable:
        # Of a row that is gone already the old bytes may still be there.
        if not parts.records.delete(request.tenant, request.record):
            raise RecordErased("the record was erased before, or has expired")
        return "image"
    parts.records.forget_seal(request.tenant, request.record)
    return "nothing" if stored.seal is None else "exact-copy"


def _end(request: EraseRequest, result: Result, detail: str) -> dict[str, Value]:
    return {"detail": detail, "record": str(request.record), "result": result.value}


def _log(request: EraseRequest, kind: Kind, attempt: UUID, fields: Mapping[str, Value], parts: Parts) -> None:
    parts.audit.append(request.tenant, kind, attempt, fields, datetime.now(UTC))
