"""What is asked of the audit log, and what it answers; the OpenAPI document is made from it."""

from typing import Annotated, Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from service.api.examples import A_CASE, A_HASH, A_TIME, AN_ID
from service.api.instants import Instant
from service.audit.entry import Kind, Result

_MAX_PAGE = 1000
_MAX_INDEX = 2**53 - 1

_Index = Annotated[int, Field(ge=0, le=_MAX_INDEX, examples=[3])]
_Size = Annotated[int, Field(ge=1, le=_MAX_INDEX, examples=[8])]
_Hashes = Annotated[list[str], Field(description="SHA-256 in base64, the lowest first.", examples=[[A_HASH]])]


class _Query(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class EntriesQuery(_Query):
    """Which entries of the log are wanted, and how many at once."""

    kind: Annotated[Kind | None, Field(description="What they are about.", examples=["outcome"])] = None
    since: Annotated[Instant | None, Field(description="Not older than this.", examples=[A_TIME])] = None
    until: Annotated[Instant | None, Field(description="Older than this.", examples=[A_TIME])] = None
    subject: Annotated[
        str | None, Field(max_length=1000, description="Who acted, as the entry itself says.", examples=["Dr. Ada"])
    ] = None
    case: Annotated[str | None, Field(max_length=1000, description="The file or ticket.", examples=[A_CASE])] = None
    record: Annotated[UUID | None, Field(description="The record asked for or found.", examples=[AN_ID])] = None
    result: Annotated[Result | None, Field(description="How the attempt ended.", examples=["denied"])] = None
    limit: Annotated[int, Field(ge=1, le=_MAX_PAGE, description="Entries on a page.", examples=[50])] = 100
    cursor: Annotated[
        str | None, Field(pattern=r"^[0-9]{1,18}$", description="The `next` of the page before.", examples=["41"])
    ] = None


class InclusionQuery(_Query):
    """Which entry, in a log of which size."""

    index: _Index
    size: _Size


class ConsistencyQuery(_Query):
    """Two sizes of the log."""

    first: _Index
    second: _Index


class LoggedEntry(BaseModel):
    """An entry of the log and its receipt."""

    index: Annotated[
        int | None, Field(description="Place in the log, from 0; null if somebody wrote nonsense there.", examples=[3])
    ]
    entry: Annotated[
        dict[str, Any] | None,
        Field(description="What it says; null if it is not readable any more.", examples=[{"kind": "intent"}]),
    ]
    body: Annotated[
        str, Field(description="The bytes that were committed and signed, in base64.", examples=["eyJraW5kIjoi"])
    ]
    proof: Annotated[
        list[str], Field(description="Inclusion proof in the log that ends here; base64.", examples=[[A_HASH]])
    ]
    checkpoint: Annotated[
        str, Field(description="The note that was signed over that log.", examples=[f"visard/hospital\n4\n{A_HASH}\n"])
    ]


class EntryPage(BaseModel):
    """Some entries of the log, oldest first."""

    entries: list[LoggedEntry]
    next: Annotated[str | None, Field(description="Cursor of the next page; null at the end.", examples=["41"])]


class InclusionProof(BaseModel):
    """That an entry is in the log of a size."""

    index: _Index
    size: _Size
    hashes: _Hashes


class ConsistencyProof(BaseModel):
    """That a smaller log is the beginning of a larger one."""

    first: _Index
    second: _Index
    hashes: _Hashes
