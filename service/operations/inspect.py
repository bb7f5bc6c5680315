"""What is known of an image without any key."""

from uuid import UUID

from service.errors import RecordErased, RecordUnknown
from service.operations.foreign import DeniedAttempt, tell_owners
from service.operations.parts import Parts
from service.records.store import StoredRecord


def inspect(tenant: str, subject: str, record: UUID, parts: Parts) -> StoredRecord:
    """The row of a record.

    Raises:
        RecordUnknown: the tenant has no such record; who has it is told.
        RecordErased: it had one.
    """
    stored = parts.records.by_id(tenant, record)
    if stored is not None:
        return stored
    if parts.records.removed(tenant, record):
        raise RecordErased("the record was erased or has expired")
    denied = DeniedAttempt(tenant=tenant, subject=subject, record=record)
    parts.afterwards(lambda: tell_owners(denied, parts))
    raise RecordUnknown("there is no such record")
