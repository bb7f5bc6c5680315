"""``GET /v1/audit/...``: the log of the caller's own tenant, and proofs that it was only ever added to."""

import base64
from collections.abc import Callable, Iterable
from typing import Annotated, Any, TypeVar
from uuid import UUID

from fastapi import APIRouter, Path, Query, Request, Response
from pydantic import BaseModel

from service.api.answers import json_response
from service.api.audit_schemas import (
    ConsistencyProof,
    ConsistencyQuery,
    EntriesQuery,
    EntryPage,
    InclusionProof,
    InclusionQuery,
    LoggedEntry,
)
from service.api.auth import MayAudit
from service.api.desk import AtDesk, Desk
from service.api.examples import AN_ID
from service.api.openapi import answers
from service.api.problems import AUDIT
from service.audit.head import split_hashes
from service.audit.reading import Filter, read_body
from service.audit.stored import StoredEntry
from service.errors import AuditEntryUnknown

router = APIRouter(prefix="/v1/audit", tags=["audit"])

AttemptId = Annotated[UUID, Path(alias="id", description="As `X-Visard-Audit` gave it.", examples=[AN_ID])]

_T = TypeVar("_T")


def _json(model: type[BaseModel]) -> dict[str, Any]:
    return answers({"application/json": model}, AUDIT)


@router.get(
    "/entries",
    operation_id="list_audit_entries",
    summary="Read the log, oldest entry first",
    description="A page may hold fewer entries than asked for; only `next: null` is the end of the log.",
    **_json(EntryPage),
)
async def list_entries(
    request: Request, desk: AtDesk, principal: MayAudit, query: Annotated[EntriesQuery, Query()]
) -> Response:
    """Answer with a page."""
    wanted = Filter(**{name: value for name, value in dict(query).items() if name not in ("limit", "cursor")})
    after = None if query.cursor is None else int(query.cursor)

    def read() -> Response:
        page = desk.parts.audits.page(principal.tenant, wanted, query.limit, after)
        return _page(page.entries, None if page.next is None else str(page.next))

    return await _read(request, desk, read)


@router.get(
    "/entries/{id}",
    operation_id="get_audit_entries",
    summary="Read all entries of one attempt",
    description="The id is that of `X-Visard-Audit`: an intent and its outcome share it.",
    **_json(EntryPage),
)
async def get_entries(
    request: Request,
    desk: AtDesk,
    principal: MayAudit,
    attempt: AttemptId,
) -> Response:
    """Answer with the entries of an id."""

    def read() -> Response:
        found = desk.parts.audits.of_attempt(principal.tenant, attempt)
        if not found:
            raise AuditEntryUnknown("the log has no entry of this id")
        return _page(found, None)

    return await _read(request, desk, read)


@router.get(
    "/checkpoint",
    operation_id="get_audit_checkpoint",
    summary="The newest signed checkpoint",
    description="A C2SP tlog-checkpoint. Keep it: whoever owns the database cannot go back behind it unnoticed.",
    **answers({"text/plain": None}, AUDIT),
)
async def get_checkpoint(request: Request, desk: AtDesk, principal: MayAudit) -> Response:
    """Answer with the note as it was signed."""
    note = await _read(request, desk, lambda: desk.parts.proofs.checkpoint(principal.tenant))
    if note is None:
        raise AuditEntryUnknown("the log has no entry yet")
    return Response(note, media_type="text/plain")


@router.get(
    "/proofs/inclusion",
    operation_id="get_inclusion_proof",
    summary="Prove that an entry is in the log of a size (RFC 9162, section 2.1.3)",
    **_json(InclusionProof),
)
async def get_inclusion(
    request: Request, desk: AtDesk, principal: MayAudit, query: Annotated[InclusionQuery, Query()]
) -> Response:
    """Answer with the hashes from the entry to the root."""
    index, size = query.index, query.size
    hashes = await _read(request, desk, lambda: desk.parts.proofs.inclusion(principal.tenant, index, size))
    return json_response(InclusionProof(index=index, size=size, hashes=list(map(_base64, hashes))))


@router.get(
    "/proofs/consistency",
    operation_id="get_consistency_proof",
    summary="Prove that a smaller log is the beginning of a larger one (RFC 9162, section 2.1.4)",
    **_json(ConsistencyProof),
)
async def get_consistency(
    request: Request, desk: AtDesk, principal: MayAudit, query: Annotated[ConsistencyQuery, Query()]
) -> Response:
    """Answer with the hashes that both roots are made of."""
    first, second = query.first, query.second
    hashes = await _read(request, desk, lambda: desk.parts.proofs.consistency(principal.tenant, first, second))
    return json_response(ConsistencyProof(first=first, second=second, hashes=list(map(_base64, hashes))))


async def _read(request: Request, desk: Desk, call: Callable[[], _T]) -> _T:
    """A long log takes its time: bounded in number like any other work."""
    desk.workers.admit(request)
    return await desk.workers.run(request, lambda _: call())


def _page(entries: Iterable[StoredEntry], cursor: str | None) -> Response:
    return json_response(EntryPage(entries=list(map(_logged, entries)), next=cursor))


def _logged(entry: StoredEntry) -> LoggedEntry:
    return LoggedEntry(
        index=entry.index,
        entry=read_body(entry.body),
        body=_base64(entry.body),
        proof=list(map(_base64, split_hashes(entry.proof))),
        checkpoint=entry.checkpoint,
    )


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()
