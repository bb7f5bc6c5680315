"""Recoveries that end before the operation begins: they too leave an intent and an outcome."""

import hashlib
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from ipaddress import ip_address
from uuid import UUID, uuid4

from fastapi import Request

from service.access.principal import Principal
from service.api.desk import Desk
from service.api.multipart import Form
from service.audit.entry import Outcome, RecoveryAttempt
from service.audit.log import AuditLog
from service.operations.verdict import verdict
from service.plain_text import loggable

_UNREAD = "(none: ended before the request was read)"
_UNREADABLE = "(unreadable)"


def unread(
    request: Request, desk: Desk, principal: Principal, error: Exception, form: Form | None
) -> Callable[[], None]:
    """Count an attempt of a known caller that ended before its form was read or understood; the call commits it.

    Not on the event loop: a hash takes as long as its image is. The call may wait for the log long after its request
    is over, and keeps nothing of the form or of the error, whose frames hold the form.

    Args:
        form: that was read; what can stand in the log does.
    """
    (result, detail), now = verdict(error), datetime.now(UTC)
    desk.metrics.recovery(result.value)
    attempt = RecoveryAttempt(
        id=uuid4(),
        tenant=principal.tenant,
        subject=principal.subject,
        reason=_UNREAD if form is None else loggable(form.fields.get("reason")),
        case=loggable(form.fields["case"]) if form and "case" in form.fields else None,
        record=uuid_in(form.fields.get("record", "")) if form else None,
        image_digest=hashlib.sha256(form.image if form else b"").digest(),
        request=request.state.request_id,
        client=client_of(request),
        time=now,
    )
    outcome = Outcome(attempt=attempt.id, time=now, result=result, detail=detail)
    return partial(_commit, desk.parts.audit, attempt, outcome)


def _commit(audit: AuditLog, attempt: RecoveryAttempt, outcome: Outcome) -> None:
    audit.intend(attempt)
    audit.conclude(outcome)


def client_of(request: Request) -> str | None:
    """Address of the caller, never another text.

    With trusted proxies it comes from a header, which may be the caller's own words.
    """
    if request.client is None:
        return None
    # Without the zone of an IPv6 address: that is any text.
    address, _, _ = request.client.host.partition("%")
    try:
        return str(ip_address(address))
    except ValueError:
        return _UNREADABLE


def uuid_in(text: str) -> UUID | None:
    """The id that a text is, if it is one."""
    try:
        return UUID(text)
    except ValueError:
        return None
