"""``POST /v1/detect``: the faces an anonymization would replace."""

import threading

from fastapi import APIRouter, Request, Response

from service.api.answers import Found, FoundFace
from service.api.auth import MayAnonymize
from service.api.desk import AtDesk, Desk
from service.api.forms import DetectForm
from service.api.multipart import Form, read_form
from service.api.openapi import operation
from service.api.problems import DETECT
from service.errors import CallerGone
from service.operations.detect import detect

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
    if gone.is_set():
        raise CallerGone("the caller did not wait for the answer")
    found = detect(form.image, desk.parts, choices.min_confidence)
    desk.metrics.handled("detect", len(found))
    answer = Found(faces=[FoundFace(box=face.box, confidence=face.confidence) for face in found])
    return Response(answer.model_dump_json(), media_type="application/json")
