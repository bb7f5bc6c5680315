"""``POST /v1/approvals``: a second person lets a recovery happen."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response

from service.access.approvals import Approval
from service.access.principal import Principal, Scope
from service.api.answers import Approved, json_response
from service.api.attempts import client_of
from service.api.desk import AtDesk
from service.api.forms import ApprovalForm
from service.api.json_body import read_json
from service.api.logged import AllowedOrEntry
from service.api.openapi import json_operation
from service.api.problems import APPROVALS
from service.audit.entry import Kind
from service.errors import BadInput
from service.operations.approve import ApproveRequest, approve

router = APIRouter(tags=["approvals"])

_allowed = AllowedOrEntry(Scope.APPROVE, Kind.APPROVAL)
MayApprove = Annotated[Principal, Depends(_allowed)]


@router.post(
    "/v1/approvals",
    operation_id="approve",
    summary="Approve the recovery of one record, or recoveries in one case, by somebody else",
    description="Whether it counts once or until it expires is the tenant's policy.",
    **json_operation(ApprovalForm, Approved, problems=APPROVALS, status=201),
)
async def approve_recovery(request: Request, desk: AtDesk, principal: MayApprove) -> Response:
    """Answer with the approval."""
    async with _allowed.preparing(request, desk, principal):
        desk.workers.admit(request)
        form = await read_json(request, ApprovalForm, desk.limits.seconds)
    ask = ApproveRequest(
        tenant=principal.tenant,
        subject=principal.subject,
        request=request.state.request_id,
        client=client_of(request),
        **dict(form),
    )
    try:
        made = await desk.workers.run(request, lambda _: approve(ask, desk.parts))
    except BadInput as error:
        # Found before the operation leaves its own entry.
        await _allowed.log(request, desk, principal, error)
        raise
    return json_response(_answer(made), 201)


def _answer(made: Approval) -> Approved:
    return Approved(approval=made.id, record=made.record, case=made.case, expires=made.expires)
