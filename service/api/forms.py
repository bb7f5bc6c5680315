"""Forms that come in; the OpenAPI document is made from them."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, Json, NonNegativeInt, ValidationError

from service.api.examples import A_CASE, AN_ID
from service.api.instants import Instant
from service.errors import FormInvalid
from service.faces.detection import Box
from service.faces.masks import Coverage
from service.faces.search import DEFAULT_CONFIDENCE
from service.imaging import MetadataPolicy, OutputFormat
from service.tenancy import SealPolicy

_MAX_LIST = 1000

Boxes = Json[Annotated[tuple[Box, ...], Field(max_length=_MAX_LIST)]]


def _number(text: object) -> object:
    return int(text) if isinstance(text, str) and text in ("8", "16") else text


class Form(BaseModel):
    """Fields that come in, each of them known."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @classmethod
    def names(cls) -> frozenset[str]:
        """The fields there are, besides the image."""
        return frozenset(cls.model_fields)

    @classmethod
    def of(cls, fields: Mapping[str, Any]) -> Self:
        """Validate what was sent.

        Raises:
            FormInvalid: naming the first field that is missing or wrong.
        """
        try:
            return cls.model_validate(fields)
        except ValidationError as error:
            first = error.errors(include_url=False, include_context=False, include_input=False)[0]
            raise FormInvalid(f"the field {first['loc'][0]!a}: {first['msg']}") from None


class DetectForm(Form):
    """Fields of a detection, besides the image."""

    min_confidence: Annotated[float, Field(ge=0, le=1, description="Of the detector.", examples=[0.5])] = (
        DEFAULT_CONFIDENCE
    )


class AnonymizeForm(DetectForm):
    """Fields of an anonymization, besides the image."""

    format: Annotated[
        Literal["same"] | OutputFormat,
        Field(description="Of the answer; 'same' keeps the upload's, BMP becomes PNG.", examples=["png"]),
    ] = "same"
    depth: Annotated[
        Annotated[Literal[8, 16], BeforeValidator(_number)] | None,
        Field(description="Bits per sample; the upload's by default. 16 needs PNG or TIFF.", examples=[16]),
    ] = None
    seal: Annotated[
        SealPolicy | None,
        Field(description="Where the exact faces are kept; the tenant's policy by default.", examples=["record"]),
    ] = None
    coverage: Annotated[Coverage, Field(description="'head' takes hair and ears along.", examples=["head"])] = "face"
    keep: Annotated[
        Boxes, Field(description="Faces centred in these boxes stay visible.", examples=["[[10, 10, 60, 80]]"])
    ] = ()
    only: Annotated[Boxes, Field(description="All other faces stay visible.", examples=["[[10, 10, 60, 80]]"])] = ()
    extra: Annotated[
        Boxes,
        Field(
            description="Replaced although no face was found there;"
            " at most 8 times as long as wide, and 10,000 pixels long.",
            examples=["[[10, 10, 60, 80]]"],
        ),
    ] = ()
    no_faces: Annotated[
        Literal["error", "pass"], Field(description="What to do with an image without faces.", examples=["pass"])
    ] = "error"
    metadata: Annotated[
        MetadataPolicy, Field(description="What survives of the upload's metadata.", examples=["keep-safe"])
    ] = "strip"


class RecoverForm(Form):
    """Fields of a recovery, besides the image."""

    reason: Annotated[str, Field(max_length=1000, description="Goes into the audit log.", examples=["court order"])]
    case: Annotated[
        str | None, Field(max_length=1000, description="The file or ticket it belongs to.", examples=["4711/26"])
    ] = None
    record: Annotated[UUID | None, Field(description="For an image that lost its metadata.", examples=[AN_ID])] = None
    faces: Annotated[
        Json[Annotated[tuple[NonNegativeInt, ...], Field(min_length=1, max_length=_MAX_LIST)]] | None,
        Field(description="Indices; only these faces come back.", examples=["[0, 2]"]),
    ] = None
    fidelity: Annotated[
        Literal["best", "generative"],
        Field(description="'best' gives the exact pixels where they are sealed.", examples=["generative"]),
    ] = "best"


class ApprovalForm(Form):
    """An approval: for a record or for a case."""

    record: Annotated[UUID | None, Field(description="The record that may be recovered.", examples=[AN_ID])] = None
    case: Annotated[
        str | None, Field(max_length=1000, description="Or the case in which any may be.", examples=[A_CASE])
    ] = None
    reason: Annotated[str, Field(max_length=1000, description="Goes into the audit log.", examples=["warrant 12"])]
    expires: Annotated[
        Instant,
        Field(description="From then on it counts no more; within a year.", examples=["2030-01-31T12:00:00Z"]),
    ]
