"""``/v1/records/{id}``: what is known of an image, and its erasure."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Request, Response
from pydantic import BaseModel, TypeAdapter, ValidationError

from service.access.principal import Principal, Scope
from service.api.answers import ErasedRecord, KnownRecord, json_response
from service.api.attempts import client_of
from service.api.desk import AtDesk
from service.api.examples import AN_ID
from service.api.logged import AllowedOrEntry
from service.api.openapi import answers
from service.api.problems import RECORDS
from service.audit.entry import Kind
from service.errors import ParameterInvalid
from service.operations.erase import erase
from service.operations.inspect import inspect
from service.operations.record_request import RecordRequest

router = APIRouter(prefix="/v1/records", tags=["records"])

_may_inspect = AllowedOrEntry(Scope.AUDIT, Kind.INSPECTION)
_may_erase = AllowedOrEntry(Scope.ERASE, Kind.ERASE)
MayInspect = Annotated[Principal, Depends(_may_inspect)]
MayErase = Annotated[Principal, Depends(_may_erase)]
# A text until the caller is known: what is none goes into the log as well.
RecordId = Annotated[
    str,
    Path(
        alias="id",
        description="As `X-Visard-Record` gave it.",
        examples=[AN_ID],
        json_schema_extra={"format": "uuid"},
    ),
]
_UUID = TypeAdapter(UUID)


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
    async with _may_inspect.preparing(request, desk, principal):
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
    return json_response(answer)


@router.delete(
    "/{id}",
    operation_id="erase_record",
    summary="Erase an image as far as its tenant's policy lets it be erased",
    description="The image itself where it was made erasable; otherwise the exact copy of its faces in the database.",
    **_json(ErasedRecord),
)
async def erase_record(request: Request, desk: AtDesk, principal: MayErase, record: RecordId) -> Response:
    """Answer with what is gone."""
    async with _may_erase.preparing(request, desk, principal):
        desk.workers.admit(request)
        ask = _about(record, request, principal)
    what = await desk.workers.run(request, lambda _: erase(ask, desk.parts))
    return json_response(ErasedRecord(record=ask.record, erased=what))


def _about(record: str, request: Request, principal: Principal) -> RecordRequest:
    try:
        known = _UUID.validate_python(record)
    except ValidationError as error:
        raise ParameterInvalid(f"the parameter 'id': {error.errors()[0]['msg']}") from None
    return RecordRequest(
        tenant=principal.tenant,
        subject=principal.subject,
        record=known,
        request=request.state.request_id,
        client=client_of(request),
    )
