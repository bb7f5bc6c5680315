"""``POST /v1/recover``: the originals, for who may have them; every attempt is in the audit log."""

import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response

from service.access.principal import Principal, Scope
from service.api.attempts import client_of, unread
from service.api.desk import AtDesk, Desk
from service.api.forms import RecoverForm
from service.api.logged import AllowedAndLogged, Read
from service.api.multipart import Form, read_form
from service.api.openapi import binary, header, operation
from service.api.problems import RECOVER
from service.errors import RecordUnknown, TenantUnknown
from service.operations.recover import RecoverRequest, recover
from service.operations.verdict import verdict

router = APIRouter(tags=["images"])


class AllowedToRecover(AllowedAndLogged):
    """It leaves an intent and an outcome, as every attempt does."""

    def entry(
        self, request: Request, desk: Desk, principal: Principal, error: Exception, read: Read
    ) -> Callable[[], None]:
        """What commits both."""
        return unread(request, desk, principal, error, read.form)


_allowed = AllowedToRecover(Scope.RECOVER)
MayRecover = Annotated[Principal, Depends(_allowed)]


@router.post(
    "/v1/recover",
    operation_id="recover",
    summary="Give the original faces back",
    description="`/recover` answers the same. The answer is lossless. Another tenant's image is an unknown one.",
    **operation(
        RecoverForm,
        content=binary("png"),
        headers={
            "X-Visard-Audit": header("Id of the entries in the audit log.", format="uuid"),
            "X-Visard-Fidelity": header("What came back.", enum=["exact", "generative"]),
            "X-Visard-Confidence": header(
                "Of generative faces only: from 1, pixels as they were made, to 0, changed so much that a face may be "
                "somebody else's.",
                pattern=r"^[01]\.\d\d$",
            ),
            "X-Visard-Verified": header("What could be proved.", enum=["image", "faces", "none"]),
        },
        problems=RECOVER,
    ),
)
@router.post("/recover", include_in_schema=False)
async def recover_image(request: Request, desk: AtDesk, principal: MayRecover) -> Response:
    """Answer with the image."""
    async with _allowed.preparing(request, desk, principal) as read:
        desk.workers.admit(request)
        read.form = form = await read_form(request, RecoverForm.names(), desk.limits)
        ask = _asked(form, request, principal)
    return await desk.workers.run(request, lambda gone: _carry_out(form, ask, desk, gone))


def _asked(form: Form, request: Request, principal: Principal) -> RecoverRequest:
    return RecoverRequest(
        tenant=principal.tenant,
        subject=principal.subject,
        request=request.state.request_id,
        client=client_of(request),
        **dict(RecoverForm.of(form.fields)),
    )


def _carry_out(form: Form, ask: RecoverRequest, desk: Desk, gone: threading.Event) -> Response:
    # Begun even if the caller is gone: what was asked for belongs into the audit log.
    parts = replace(desk.parts, engine=desk.parts.engine.cancelled_by(gone))
    try:
        answer = recover(form.image, ask, parts, gone=gone)
    except TenantUnknown as error:
        # Raised before it is known whose record it is: to the caller it is like any unknown one. The log knows more.
        desk.metrics.recovery("denied")
        raise RecordUnknown("no record of this image was found") from error
    except Exception as error:
        desk.metrics.recovery(verdict(error)[0].value)
        raise
    desk.metrics.recovery("granted", answer.fidelity)
    desk.metrics.handled("recover", answer.faces)
    headers = {
        "X-Visard-Audit": str(answer.attempt),
        "X-Visard-Fidelity": answer.fidelity,
        "X-Visard-Verified": answer.verified,
    }
    if answer.confidence is not None:
        headers["X-Visard-Confidence"] = f"{answer.confidence:.2f}"
    return Response(answer.data, headers=headers, media_type=f"image/{answer.format}")
