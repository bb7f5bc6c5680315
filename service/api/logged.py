"""What ends before it begins, of somebody known, on routes whose every use is audited."""

from abc import ABC, abstractmethod
from datetime import UTC, datetime
from uuid import uuid4

from fastapi import Request

from service.access.principal import Principal, Scope
from service.access.refusal import TokenRefused
from service.api.attempts import client_of, uuid_in
from service.api.auth import Allowed, authenticated, spend
from service.api.desk import AtDesk, Desk
from service.audit.entry import Kind, Value
from service.errors import RateExceeded, Refused
from service.operations.verdict import verdict


class AllowedAndLogged(Allowed, ABC):
    """As ``Allowed``, but what ends the request of somebody known goes into the audit log."""

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
        except Exception as error:
            await self.log(request, desk, principal, error)
            raise
        return principal

    async def _write(self, request: Request, desk: Desk, caller: Principal, refusal: Refused) -> None:
        wait_s = desk.refusals.wait_s(caller, refusal)
        if wait_s:
            raise RateExceeded(wait_s) from refusal
        await self.log(request, desk, caller, refusal)

    @abstractmethod
    async def log(self, request: Request, desk: Desk, principal: Principal, error: Exception) -> None:
        """Commit that the request ended in this way.

        Raises:
            AuditUnavailable: it could not be committed.
        """


class AllowedOrEntry(AllowedAndLogged):
    """It leaves one entry of ``kind``."""

    def __init__(self, scope: Scope, kind: Kind) -> None:
        super().__init__(scope)
        self._kind = kind

    async def log(self, request: Request, desk: Desk, principal: Principal, error: Exception) -> None:
        """Commit the entry."""
        result, detail = verdict(error)
        fields: dict[str, Value] = {
            "client": client_of(request),
            "detail": detail,
            "request": request.state.request_id,
            "result": result.value,
            "subject": principal.subject,
        }
        record = uuid_in(request.path_params.get("id", ""))
        if record is not None:
            fields["record"] = str(record)
        append = desk.parts.audit.append

        def commit() -> None:
            append(principal.tenant, self._kind, uuid4(), fields, datetime.now(UTC))

        await desk.workers.note(commit)
