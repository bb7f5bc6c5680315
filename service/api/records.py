"""``/v1/records/{id}``: what is known of an image, and its erasure."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Request, Response
from pydantic import BaseModel

from service.access.principal import Principal, Scope
from service.api.answers import ErasedRecord, KnownRecord
from service.api.attempts import client_of
from service.api.desk import AtDesk
from service.api.examples import AN_ID
from service.api.logged import AllowedOrEntry
from service.api.openapi import answers
from service.api.problems import RECORDS
from service.audit.entry import Kind
from service.operations.erase import erase
from service.operations.inspect import inspect
from service.operations.record_request import RecordRequest

router = APIRouter(prefix="/v1/records", tags=["records"])

MayInspect = Annotated[Principal, Depends(AllowedOrEntry(Scope.AUDIT, Kind.INSPECTION))]
MayErase = Annotated[Principal, Depends(AllowedOrEntry(Scope.ERASE, Kind.ERASE))]
RecordId = Annotated[UUID, Path(alias="id", description="As `X-Visard-Record` gave it.", examples=[AN_ID])]


def _json(model: type[BaseModel]) -> dict[str, Any]:
    return answers({"application/json": model}, RECORDS)


@router.get(
    "/{id}",
    operation_id="get_record",
    summary="What is known of an image, without any key",
    **_json(KnownRecord),
)
async def get_record(request: Request, desk: AtDesk, principal: MayInspect, record: RecordId) -> Response:
    """Answer with the facts; another tenant's record is an unknown one."""
    desk.workers.admit(request)
    ask = _about(record, request, principal)
    stored = await desk.workers.run(request, lambda _: inspect(ask, desk.parts))
    answer = KnownRecord(
        record=stored.id,
        created=stored.created,
        expires=stored.expires,
        custodian=stored.custodian,
        key_version=stored.key_version,
        erasable=stored.erasable,
        exact_copy=stored.seal is not None,
        pixels_sha256=stored.pixels_digest.hex(),
    )
    return Response(answer.model_dump_json(), media_type="application/json")


@router.delete(
    "/{id}",
    operation_id="erase_record",
    summary="Erase an image as far as its tenant's policy lets it be erased",
    description="The image itself where it was made erasable; otherwise the exact copy of its faces in the database.",
    **_json(ErasedRecord),
)
async def erase_record(request: Request, desk: AtDesk, principal: MayErase, record: RecordId) -> Response:
    """Answer with what is gone."""
    desk.workers.admit(request)
    ask = _about(record, request, principal)
    what = await desk.workers.run(request, lambda _: erase(ask, desk.parts))
    return Response(ErasedRecord(record=record, erased=what).model_dump_json(), media_type="application/json")


def _about(record: UUID, request: Request, principal: Principal) -> RecordRequest:
    return RecordRequest(
        tenant=principal.tenant,
        subject=principal.subject,
        record=record,
        request=request.state.request_id,
        client=client_of(request),
    )
