"""Recoveries that end before the operation begins: they too leave an intent and an outcome."""

import hashlib
from datetime import UTC, datetime
from uuid import uuid4

from fastapi import Request

from service.access.principal import Principal
from service.api.desk import Desk
from service.audit.entry import Outcome, RecoveryAttempt, Result
from service.audit.log import AuditLog
from service.errors import BadInput, Refused, VisardError, code_of

_UNREAD = "(none: ended before the request was read)"
_NO_IMAGE = hashlib.sha256(b"").digest()


async def log_unread(request: Request, desk: Desk, principal: Principal, error: VisardError) -> None:
    """Commit an attempt of a known caller that ended before its form was read or understood.

    Raises:
        AuditUnavailable: it could not be committed.
    """
    attempt = RecoveryAttempt(
        id=uuid4(),
        tenant=principal.tenant,
        subject=principal.subject,
        reason=_UNREAD,
        case=None,
        record=None,
        image_digest=_NO_IMAGE,
        request=request.state.request_id,
        client=client_of(request),
        time=datetime.now(UTC),
    )
    result = _result(error)
    outcome = Outcome(attempt=attempt.id, time=attempt.time, result=result, detail=code_of(type(error)))
    await desk.workers.quickly(lambda: _commit(desk.parts.audit, attempt, outcome))
    desk.metrics.recovery(result.value)


def client_of(request: Request) -> str | None:
    """Address of the caller."""
    return request.client.host if request.client else None


def _commit(audit: AuditLog, attempt: RecoveryAttempt, outcome: Outcome) -> None:
    audit.intend(attempt)
    audit.conclude(outcome)


def _result(error: VisardError) -> Result:
    if isinstance(error, BadInput):
        return Result.INVALID
    return Result.DENIED if isinstance(error, Refused) else Result.FAILED
