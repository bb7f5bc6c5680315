"""What a request about one record says, whatever it is about the record."""

from dataclasses import dataclass
from uuid import UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordRequest:
    """Which record, and on whose behalf.

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
