"""``POST /v1/anonymize``: an image in, strangers out."""

import base64
import threading
from dataclasses import replace
from uuid import UUID

from fastapi import APIRouter, Request, Response

from service.access.principal import Principal
from service.api.accept import wants_json
from service.api.answers import AnonymizedImage, ReplacedFace, json_response
from service.api.auth import MayAnonymize
from service.api.desk import AtDesk, Desk
from service.api.forms import AnonymizeForm
from service.api.multipart import Form, read_form
from service.api.once import HEADER, PATTERN, REPLAYED, Once, answered_once, digest_of, key_of
from service.api.openapi import binary, header, header_parameter, operation
from service.api.problems import ANONYMIZE
from service.operations.anonymize import Anonymized, AnonymizeRequest, anonymize
from service.operations.presence import require_caller

router = APIRouter(tags=["images"])


@router.post(
    "/v1/anonymize",
    operation_id="anonymize",
    summary="Replace every face by a stranger's",
    description="`/anonymize` answers the same. Prefer `application/json` in `Accept` for the record and the faces.",
    **operation(
        AnonymizeForm,
        content={**binary("png", "jpeg", "webp", "tiff"), "application/json": AnonymizedImage},
        headers={
            "X-Visard-Record": header(
                "Id of the record; absent when there was no face, or the tenant keeps none.", format="uuid"
            ),
            "X-Visard-Faces": header("How many faces were replaced.", type="integer"),
            REPLAYED: header("There, and `true`, if the answer was given before.", enum=["true"]),
        },
        parameters=(
            header_parameter(
                HEADER,
                "Sent again with the same image and fields, a request is given the same answer, if there is a record"
                " of it. Any string of the caller's own, a UUID for instance; it is remembered for a day unless"
                " configured otherwise.",
                pattern=PATTERN,
                examples=["8e03978e-40d5-43dd-bc93-6894a57f9324"],
            ),
        ),
        problems=ANONYMIZE,
    ),
)
@router.post("/anonymize", include_in_schema=False)
async def anonymize_image(request: Request, desk: AtDesk, principal: MayAnonymize) -> Response:
    """Answer with the image, or with JSON that holds it."""
    as_json = wants_json(request.headers.get("accept", ""))
    key = key_of(request)
    desk.workers.admit(request)
    form = await read_form(request, AnonymizeForm.names(), desk.limits)
    choices = AnonymizeForm.of(form.fields)

    def carry_out(gone: threading.Event) -> Response:
        once = None if key is None else Once(key, principal, digest_of(form, as_json))
        return answered_once(once, desk.replays, lambda: _carry_out(form, choices, as_json, desk, principal, gone))

    return await desk.workers.run(request, carry_out)


def _carry_out(
    form: Form, choices: AnonymizeForm, as_json: bool, desk: Desk, principal: Principal, gone: threading.Event
) -> tuple[Response, UUID | None]:
    """The answer, and its record: without one it may show the caller's faces as they are, and must not be kept."""
    require_caller(gone)
    ask = AnonymizeRequest(tenant=principal.tenant, **dict(choices))
    made = anonymize(form.image, ask, replace(desk.parts, engine=desk.parts.engine.cancelled_by(gone)))
    desk.metrics.handled("anonymize", len(made.faces))
    return _json(made) if as_json else _image(made), made.record


def _image(made: Anonymized) -> Response:
    headers = {"X-Visard-Faces": str(len(made.faces))}
    if made.record is not None:
        headers["X-Visard-Record"] = str(made.record)
    return Response(made.data, headers=headers, media_type=f"image/{made.format}")


def _json(made: Anonymized) -> Response:
    faces = [ReplacedFace(box=face.box, confidence=face.confidence, scale=face.scale) for face in made.faces]
    image = base64.b64encode(made.data).decode()
    answer = AnonymizedImage(record=made.record, faces=faces, format=made.format, image=image)
    return json_response(answer)
