"""What goes out as JSON; the OpenAPI document is made from it."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from fastapi import Response
from pydantic import BaseModel, Field

from service.api.examples import A_BOX, A_CASE, A_TIME, AN_ID
from service.custodian import Custodian
from service.faces.detection import Box
from service.imaging import OutputFormat
from service.operations.erase import Erased


def json_response(model: BaseModel, status: int = 200) -> Response:
    """An answer that says what ``model`` holds."""
    return Response(model.model_dump_json(), status, media_type="application/json")


class Approved(BaseModel):
    """An approval that was made."""

    approval: Annotated[UUID, Field(description="Its id; that of its entry in the audit log too.", examples=[AN_ID])]
    record: Annotated[UUID | None, Field(examples=[AN_ID])]
    case: Annotated[str | None, Field(examples=[A_CASE])]
    expires: Annotated[datetime, Field(examples=[A_TIME])]


class KnownRecord(BaseModel):
    """What is known of an image without any key."""

    record: Annotated[UUID, Field(examples=[AN_ID])]
    created: Annotated[datetime, Field(examples=[A_TIME])]
    expires: Annotated[
        datetime | None, Field(description="From then on it cannot be recovered; null for never.", examples=[None])
    ]
    custodian: Annotated[Custodian, Field(description="Who holds the key of the image.", examples=["vault-transit"])]
    key_version: Annotated[int, Field(description="Of the tenant's master key.", examples=[1])]
    erasable: Annotated[bool, Field(description="Erasing the record makes the image unrecoverable.", examples=[True])]
    exact_copy: Annotated[
        bool, Field(description="An exact copy of the faces is in the database, encrypted.", examples=[True])
    ]
    pixels_sha256: Annotated[str, Field(description="Of the anonymized image, hexadecimal.", examples=["9f" * 32])]


class ErasedRecord(BaseModel):
    """What is gone of an image."""

    record: Annotated[UUID, Field(examples=[AN_ID])]
    erased: Annotated[
        Erased,
        Field(
            description="'image': it can never be recovered. 'exact-copy': it can still be from its pixels."
            " 'nothing': there was no copy in the database.",
            examples=["image"],
        ),
    ]


class FoundFace(BaseModel):
    """A face the detector found."""

    box: Annotated[Box, Field(description="Left, top, right, bottom in pixels of the upright image.", examples=[A_BOX])]
    confidence: Annotated[float, Field(ge=0, le=1, examples=[0.93])]


class Found(BaseModel):
    """The faces of an image, best first."""

    faces: list[FoundFace]


class ReplacedFace(BaseModel):
    """A face that was replaced."""

    box: Annotated[
        tuple[int, int, int, int],
        Field(description="Left, top, right, bottom in pixels; may leave the image.", examples=[A_BOX]),
    ]
    confidence: Annotated[float, Field(ge=0, le=1, examples=[0.93])]
    scale: Annotated[float, Field(ge=1, description="Pixels per cell of the model's grid.", examples=[1.5])]


class AnonymizedImage(BaseModel):
    """An anonymized image and what is known of it."""

    record: Annotated[
        UUID | None,
        Field(
            description="Id of the record; null when there was no face, or the tenant keeps none.",
            examples=[AN_ID],
        ),
    ]
    faces: list[ReplacedFace]
    format: Annotated[OutputFormat, Field(examples=["png"])]
    image: Annotated[str, Field(description="The file, in base64.", examples=["iVBORw0KGgo="])]


class Health(BaseModel):
    """How the service is."""

    status: Annotated[Literal["ok", "unavailable", "draining"], Field(examples=["ok"])]
    parts: Annotated[
        dict[str, Literal["ok", "unavailable"]],
        Field(description="Empty for liveness.", examples=[{"database": "ok", "keys": "ok"}]),
    ] = {}


class Problem(BaseModel):
    """An error, as RFC 9457 has it."""

    type: Annotated[str, Field(description="Stable.", examples=["urn:visard:problem:no-faces"])]
    title: Annotated[str, Field(examples=["No faces"])]
    status: Annotated[int, Field(examples=[422])]
    detail: Annotated[str, Field(examples=["no face was found in the image"])]
    instance: Annotated[str, Field(description="Id of the request.", examples=["upload-4711"])]
