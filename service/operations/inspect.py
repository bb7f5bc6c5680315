"""What is known of an image without any key."""

from datetime import UTC, datetime
from uuid import uuid4

from service.audit.appending import NewEntry
from service.audit.entry import Kind, Value
from service.errors import RecordErased, RecordUnknown, Refused
from service.operations.foreign import deny
from service.operations.parts import Parts
from service.operations.record_request import RecordRequest
from service.operations.verdict import verdict
from service.records.store import StoredRecord


def inspect(request: RecordRequest, parts: Parts) -> StoredRecord:
    """The row of a record. Only a refusal is in the audit log.

    Raises:
        RecordUnknown: the tenant has no such record; who has it is told.
        RecordErased: it had one.
        AuditUnavailable: it is refused, and that could not be committed.
    """
    stored = parts.records.by_id(request.tenant, request.record)
    if stored is not None:
        return stored
    error: Refused = RecordUnknown("there is no such record")
    if parts.records.removed(request.tenant, request.record):
        error = RecordErased("the record was erased or has expired")
    deny(_denial(request, error), request.subject, request.record, parts)
    raise error


def _denial(request: RecordRequest, error: Refused) -> NewEntry:
    result, detail = verdict(error)
    fields: dict[str, Value] = {
        "client": request.client,
        "detail": detail,
        "record": str(request.record),
        "request": request.request,
        "result": result.value,
        "subject": request.subject,
    }
    return NewEntry.of(request.tenant, Kind.INSPECTION, uuid4(), datetime.now(UTC), fields)
