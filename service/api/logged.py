"""Refusals of somebody known, on routes whose every use is audited."""

from abc import ABC, abstractmethod
from datetime import UTC, datetime
from uuid import uuid4

from fastapi import Request

from service.access.principal import Principal, Scope
from service.access.refusal import TokenRefused
from service.api.attempts import client_of, uuid_in
from service.api.auth import Allowed, authenticated, spend
from service.api.desk import AtDesk, Desk
from service.audit.entry import Kind, Result, Value
from service.errors import RateExceeded, Refused, code_of


class AllowedAndLogged(Allowed, ABC):
    """As ``Allowed``, but a refusal of somebody known goes into the audit log."""

    async def __call__(self, request: Request, desk: AtDesk) -> Principal:
        """Authenticate and authorize; see ``Allowed``.

        Raises:
            RateExceeded: in place of a refusal that is one of very many, and is not written down any more.
        """
        try:
            principal = await authenticated(request, desk)
        except TokenRefused as refusal:
            if refusal.principal is not None:
                await self._write(request, desk, refusal.principal, refusal)
            raise
        try:
            await spend(principal, desk)
            principal.require(self.scope)
        except Refused as refusal:
            await self._write(request, desk, principal, refusal)
            raise
        return principal

    async def _write(self, request: Request, desk: Desk, caller: Principal, refusal: Refused) -> None:
        wait_s = desk.refusals.wait_s(caller, refusal)
        if wait_s:
            raise RateExceeded(wait_s) from refusal
        await self.log(request, desk, caller, refusal)

    @abstractmethod
    async def log(self, request: Request, desk: Desk, principal: Principal, refusal: Refused) -> None:
        """Commit the refusal.

        Raises:
            AuditUnavailable: it could not be committed.
        """


class AllowedOrEntry(AllowedAndLogged):
    """A refusal leaves one entry of ``kind``."""

    def __init__(self, scope: Scope, kind: Kind) -> None:
        super().__init__(scope)
        self._kind = kind

    async def log(self, request: Request, desk: Desk, principal: Principal, refusal: Refused) -> None:
        """Commit the entry."""
        fields: dict[str, Value] = {
            "client": client_of(request),
            "detail": code_of(type(refusal)),
            "request": request.state.request_id,
            "result": Result.DENIED.value,
            "subject": principal.subject,
        }
        record = uuid_in(request.path_params.get("id", ""))
        if record is not None:
            fields["record"] = str(record)
        append = desk.parts.audit.append

        def commit() -> None:
            append(principal.tenant, self._kind, uuid4(), fields, datetime.now(UTC))

        await desk.workers.note(commit)
