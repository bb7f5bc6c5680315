"""Erase one image, as far as it can be; between two entries of the audit log."""

from datetime import UTC, datetime
from typing import Literal
from uuid import UUID, uuid4

from service.audit.appending import NewEntry
from service.audit.entry import Kind, Result, Value
from service.errors import RecordErased, RecordUnknown, Refused
from service.operations.foreign import deny
from service.operations.parts import Parts
from service.operations.record_request import RecordRequest
from service.operations.verdict import verdict

Erased = Literal["image", "exact-copy", "nothing"]
"""What is gone: the image can never be recovered; or its exact copy, and it still can from its pixels; or there
was no copy in the database."""


def erase(request: RecordRequest, parts: Parts) -> Erased:
    """Erase what the database holds of an image.

    Raises:
        AuditUnavailable: an entry could not be committed; behind the first nothing is erased.
        RecordUnknown: the tenant has no such record.
        RecordErased: it was erased before, or has expired.
        DatabaseUnavailable: not done, or done and the old bytes not yet overwritten; doing it again helps.
    """
    attempt = uuid4()
    asked = {"client": request.client, "record": str(request.record), "request": request.request}
    parts.audit.append(request.tenant, Kind.ERASE, attempt, {**asked, "subject": request.subject}, datetime.now(UTC))
    try:
        what = _erase(request, parts)
    except Refused as error:
        deny(_end(request, attempt, *verdict(error)), request.subject, request.record, parts)
        raise
    except BaseException as error:
        parts.audit.commit(_end(request, attempt, *verdict(error)))
        raise
    parts.audit.commit(_end(request, attempt, Result.GRANTED, what))
    return what


def _erase(request: RecordRequest, parts: Parts) -> Erased:
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


def _end(request: RecordRequest, attempt: UUID, result: Result, detail: str) -> NewEntry:
    fields: dict[str, Value] = {"detail": detail, "record": str(request.record), "result": result.value}
    return NewEntry.of(request.tenant, Kind.ERASED, attempt, datetime.now(UTC), fields)
