"""Refusals of somebody known, on routes whose every use is audited."""

from abc import ABC, abstractmethod
from datetime import UTC, datetime
from uuid import uuid4

from fastapi import Request

from service.access.principal import Principal, Scope
from service.access.refusal import TokenRefused
from service.api.attempts import client_of
from service.api.auth import Allowed, authenticated, spend
from service.api.desk import AtDesk, Desk
from service.audit.entry import Kind, Result
from service.errors import RateExceeded, Refused, ScopeMissing, code_of


class AllowedAndLogged(Allowed, ABC):
    """As ``Allowed``, but a refusal of somebody known goes into the audit log."""

    async def __call__(self, request: Request, desk: AtDesk) -> Principal:
        """Authenticate and authorize; see ``Allowed``."""
        try:
            principal = await authenticated(request, desk)
        except TokenRefused as refusal:
            if refusal.principal is not None:
                await self._spend(request, desk, refusal.principal, refused=True)
                await self.log(request, desk, refusal.principal, refusal)
            raise
        await self._spend(request, desk, principal)
        try:
            principal.require(self.scope)
        except ScopeMissing as refusal:
            await self.log(request, desk, principal, refusal)
            raise
        return principal

    async def _spend(self, request: Request, desk: Desk, caller: Principal, *, refused: bool = False) -> None:
        try:
            await spend(caller, desk, refused=refused)
        except RateExceeded as refusal:
            # Written down without end, what the rate keeps out would fill the log.
            if desk.refusals.admit(caller):
                await self.log(request, desk, caller, refusal)
            raise

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
        fields = {
            "client": client_of(request),
            "detail": code_of(type(refusal)),
            "request": request.state.request_id,
            "result": Result.DENIED.value,
            "subject": principal.subject,
        }
        append = desk.parts.audit.append

        def commit() -> None:
            append(principal.tenant, self._kind, uuid4(), fields, datetime.now(UTC))

        await desk.workers.note(commit)
