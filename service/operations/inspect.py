"""What is known of an image without any key."""

from datetime import UTC, datetime
from uuid import uuid4

from service.audit.appending import NewEntry
from service.audit.entry import Kind, Value
from service.errors import Refused
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
    try:
        return parts.records.require(request.tenant, request.record)
    except Refused as error:
        deny(_denial(request, error), request.subject, request.record, parts)
        raise


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
