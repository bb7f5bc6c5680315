"""Approve recoveries: of one record, or in one case, by somebody else, until an hour comes."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

from service.access.approvals import Approval
from service.audit.appending import NewEntry
from service.audit.entry import Kind, Result, Value, instant
from service.errors import ApprovalInvalid, Refused
from service.operations.books import Books
from service.operations.foreign import deny
from service.operations.verdict import verdict
from service.plain_text import validated_text

LONGEST = timedelta(days=366)


@dataclass(frozen=True, slots=True, kw_only=True)
class ApproveRequest:
    """What is approved, and by whom.

    Attributes:
        tenant: whose recoveries; from the caller's credentials.
        subject: who approves.
        record: of this record.
        case: or in this case.
        reason: why; goes into the audit log.
        expires: until when, timezone-aware.
        request: id of the request, for the log.
        client: address of the caller, for the log.
    """

    tenant: str
    subject: str
    record: UUID | None
    case: str | None
    reason: str
    expires: datetime
    request: str | None = None
    client: str | None = None


def approve(request: ApproveRequest, books: Books) -> Approval:
    """Commit an approval behind its entry in the audit log.

    Raises:
        ApprovalInvalid: it is for neither a record nor a case, for both, or for a time not within the next year.
        ReasonInvalid: a text is not fit for the audit log.
        RecordUnknown, RecordErased: there is no such record to recover.
        AuditUnavailable: it is not in the log, and so it does not count.
        DatabaseUnavailable: it does not count.
    """
    approval = _approval(request)
    try:
        if request.record is not None:
            books.records.require(request.tenant, request.record)
    except Refused as error:
        deny(_entry(request, approval, *verdict(error)), request.subject, request.record, books)
        raise
    books.audit.commit(_entry(request, approval, Result.GRANTED, "approved"))
    books.approvals.add(approval)
    return approval


def _approval(request: ApproveRequest) -> Approval:
    now = datetime.now(UTC)
    if (request.record is None) == (request.case is None):
        raise ApprovalInvalid("approve a record or a case: one of the two")
    if not now < request.expires <= now + LONGEST:
        raise ApprovalInvalid("an approval expires in the future, and within a year")
    return Approval(
        id=uuid4(),
        tenant=request.tenant,
        subject=request.subject,
        record=request.record,
        case=None if request.case is None else validated_text(request.case, "case"),
        created=now,
        expires=request.expires,
    )


def _entry(request: ApproveRequest, approval: Approval, result: Result, detail: str) -> NewEntry:
    fields: dict[str, Value] = {
        "case": approval.case,
        "client": request.client,
        "detail": detail,
        "expires": instant(approval.expires),
        "reason": validated_text(request.reason),
        "record": None if approval.record is None else str(approval.record),
        "request": request.request,
        "result": result.value,
        "subject": request.subject,
    }
    return NewEntry.of(request.tenant, Kind.APPROVAL, approval.id, approval.created, fields)
