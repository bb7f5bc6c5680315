"""Forms that come in and JSON that goes out; the OpenAPI document is made from these."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    Json,
    NonNegativeInt,
    ValidationError,
)

from service.audit.entry import Kind, Result
from service.errors import FormInvalid
from service.faces.detection import Box
from service.faces.masks import Coverage
from service.faces.search import DEFAULT_CONFIDENCE
from service.imaging import MetadataPolicy, OutputFormat
from service.operations.erase import Erased
from service.tenancy import SealPolicy

_MAX_LIST = 1000
_BOX = [112, 40, 188, 141]
_ID = "3f0c1a52-6f0e-4b1c-9a51-6f7d2f0e8c11"

_MAX_INDEX = 2**53 - 1


def _in_utc(time: datetime) -> datetime:
    try:
        return time.astimezone(UTC)
    except OverflowError:
        raise ValueError("the time lies outside the years 1 to 9999") from None


Instant = Annotated[AwareDatetime, AfterValidator(_in_utc)]
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
        Boxes, Field(description="Replaced although no face was found there.", examples=["[[10, 10, 60, 80]]"])
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
    record: Annotated[UUID | None, Field(description="For an image that lost its metadata.", examples=[_ID])] = None
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

    record: Annotated[UUID | None, Field(description="The record that may be recovered.")] = None
    case: Annotated[str | None, Field(max_length=1000, description="Or the case in which any may be.")] = None
    reason: Annotated[str, Field(max_length=1000, description="Goes into the audit log.", examples=["warrant 12"])]
    expires: Annotated[
        Instant,
        Field(description="From then on it counts no more; within a year.", examples=["2030-01-31T12:00:00Z"]),
    ]


class Approved(BaseModel):
    """An approval that was made."""

    approval: Annotated[UUID, Field(description="Its id; that of its entry in the audit log too.")]
    record: UUID | None
    case: str | None
    expires: datetime


class KnownRecord(BaseModel):
    """What is known of an image without any key."""

    record: UUID
    created: datetime
    expires: Annotated[datetime | None, Field(description="From then on it cannot be recovered; null for never.")]
    key_version: int
    erasable: Annotated[bool, Field(description="Erasing the record makes the image unrecoverable.")]
    exact_copy: Annotated[bool, Field(description="An exact copy of the faces is in the database, encrypted.")]
    pixels_sha256: Annotated[str, Field(description="Of the anonymized image, hexadecimal.")]


class ErasedRecord(BaseModel):
    """What is gone of an image."""

    record: UUID
    erased: Annotated[
        Erased,
        Field(
            description="'image': it can never be recovered. 'exact-copy': it can still be from its pixels."
            " 'nothing': there was no copy in the database."
        ),
    ]


class FoundFace(BaseModel):
    """A face the detector found."""

    box: Annotated[Box, Field(description="Left, top, right, bottom in pixels of the upright image.", examples=[_BOX])]
    confidence: Annotated[float, Field(ge=0, le=1, examples=[0.93])]


class Found(BaseModel):
    """The faces of an image, best first."""

    faces: list[FoundFace]


class ReplacedFace(BaseModel):
    """A face that was replaced."""

    box: Annotated[tuple[int, int, int, int], Field(description="Left, top, right, bottom in pixels.", examples=[_BOX])]
    confidence: Annotated[float, Field(ge=0, le=1, examples=[0.93])]
    scale: Annotated[int, Field(ge=1, description="Pixels per cell of the model's grid.", examples=[2])]


class AnonymizedImage(BaseModel):
    """An anonymized image and what is known of it."""

    record: Annotated[
        UUID | None,
        Field(description="Id of the record; null when there was no face, or the tenant keeps none.", examples=[_ID]),
    ]
    faces: list[ReplacedFace]
    format: Annotated[OutputFormat, Field(examples=["png"])]
    image: Annotated[str, Field(description="The file, in base64.", examples=["iVBORw0KGgo="])]


class _Query(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class EntriesQuery(_Query):
    """Which entries of the log are wanted, and how many at once."""

    kind: Annotated[Kind | None, Field(description="What they are about.")] = None
    since: Annotated[Instant | None, Field(description="Not older than this.")] = None
    until: Annotated[Instant | None, Field(description="Older than this.")] = None
    subject: Annotated[str | None, Field(max_length=1000, description="Who acted, as the entry itself says.")] = None
    case: Annotated[str | None, Field(max_length=1000, description="The file or ticket.")] = None
    record: Annotated[UUID | None, Field(description="The record asked for or found.")] = None
    result: Annotated[Result | None, Field(description="How the attempt ended.")] = None
    limit: Annotated[int, Field(ge=1, le=_MAX_LIST, description="Entries on a page.")] = 100
    cursor: Annotated[str | None, Field(pattern=r"^[0-9]{1,18}$", description="The `next` of the page before.")] = None


class InclusionQuery(_Query):
    """Which entry, in a log of which size."""

    index: Annotated[int, Field(ge=0, le=_MAX_INDEX)]
    size: Annotated[int, Field(ge=1, le=_MAX_INDEX)]


class ConsistencyQuery(_Query):
    """Two sizes of the log."""

    first: Annotated[int, Field(ge=0, le=_MAX_INDEX)]
    second: Annotated[int, Field(ge=0, le=_MAX_INDEX)]


class LoggedEntry(BaseModel):
    """An entry of the log and its receipt."""

    index: Annotated[int | None, Field(description="Place in the log, from 0; null if somebody wrote nonsense there.")]
    entry: Annotated[dict[str, Any] | None, Field(description="What it says; null if it is not readable any more.")]
    body: Annotated[str, Field(description="The bytes that were committed and signed, in base64.")]
    proof: Annotated[list[str], Field(description="Inclusion proof in the log that ends here; base64.")]
    checkpoint: Annotated[str, Field(description="The note that was signed over that log.")]


class EntryPage(BaseModel):
    """Some entries of the log, oldest first."""

    entries: list[LoggedEntry]
    next: Annotated[str | None, Field(description="Cursor of the next page; null at the end.")]


class InclusionProof(BaseModel):
    """That an entry is in the log of a size."""

    index: int
    size: int
    hashes: Annotated[list[str], Field(description="SHA-256 in base64, the lowest first.")]


class ConsistencyProof(BaseModel):
    """That a smaller log is the beginning of a larger one."""

    first: int
    second: int
    hashes: Annotated[list[str], Field(description="SHA-256 in base64, the lowest first.")]


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
