"""``POST /v1/detect``: the faces an anonymization would replace."""

import threading

from fastapi import APIRouter, Request, Response

from service.api.answers import Found, FoundFace, json_response
from service.api.auth import MayAnonymize
from service.api.desk import AtDesk, Desk
from service.api.forms import DetectForm
from service.api.multipart import Form, read_form
from service.api.openapi import operation
from service.api.problems import DETECT
from service.operations.detect import detect
from service.operations.presence import require_caller

router = APIRouter(tags=["images"])


@router.post(
    "/v1/detect",
    operation_id="detect",
    summary="Find the faces of an image",
    **operation(
        DetectForm,
        content={"application/json": Found},
        problems=DETECT,
    ),
)
async def detect_faces(request: Request, desk: AtDesk, principal: MayAnonymize) -> Response:
    """Answer with the boxes, best first."""
    desk.workers.admit(request)
    form = await read_form(request, DetectForm.names(), desk.limits)
    choices = DetectForm.of(form.fields)
    return await desk.workers.run(request, lambda gone: _carry_out(form, choices, desk, gone))


def _carry_out(form: Form, choices: DetectForm, desk: Desk, gone: threading.Event) -> Response:
    require_caller(gone)
    found = detect(form.image, desk.parts, choices.min_confidence)
    desk.metrics.handled("detect", len(found))
    answer = Found(faces=[FoundFace(box=face.box, confidence=face.confidence) for face in found])
    return json_response(answer)
