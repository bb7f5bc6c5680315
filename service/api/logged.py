"""Requests by a known caller that fail before the operation starts, on routes where every use is audited."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from uuid import uuid4

from fastapi import Request

from service.access.principal import Principal, Scope
from service.access.refusal import TokenRefused
from service.api.attempts import client_of, uuid_in
from service.api.auth import Allowed, authenticated, spend
from service.api.desk import AtDesk, Desk
from service.api.multipart import Form
from service.audit.appending import NewEntry
from service.audit.entry import Kind, Value
from service.errors import EngineBusy, EngineClosed, RateExceeded, Refused
from service.operations.foreign import deny
from service.operations.verdict import verdict


@dataclass(slots=True)
class Read:
    """What was read of a request before it ended.

    Attributes:
        form: what can stand in the log of it does; None before there is one.
    """

    form: Form | None = None


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
                await self.log(request, desk, refusal.principal, refusal)
            raise
        async with self.preparing(request, desk, principal):
            await spend(principal, desk)
            principal.require(self.scope)
        return principal

    @asynccontextmanager
    async def preparing(self, request: Request, desk: Desk, principal: Principal) -> AsyncIterator[Read]:
        """Log what ends the request in this block; behind it, the operation logs how it ends.

        Raises:
            RateExceeded, AuditUnavailable, DatabaseUnavailable: as ``log``, in place of the error.
        """
        read = Read()
        try:
            yield read
        except asyncio.CancelledError:
            # The service stops, and waits for nothing but what is written down.
            stopped = EngineClosed("the service is shutting down")
            desk.workers.noted(partial(self.entry, request, desk, principal, stopped, read))
            raise
        except Exception as error:
            await self.log(request, desk, principal, error, read)
            raise

    async def log(
        self, request: Request, desk: Desk, principal: Principal, error: Exception, read: Read | None = None
    ) -> None:
        """Commit that the request ended in this way; of very many that were refused or found no place, count it.

        Raises:
            RateExceeded: it is a refusal, one of very many.
            AuditUnavailable, DatabaseUnavailable: it could not be committed.
        """
        wait_s = desk.refusals.wait_s(principal, error) if isinstance(error, Refused | EngineBusy) else 0
        if not wait_s:
            await desk.workers.note(partial(self.entry, request, desk, principal, error, read or Read()))
        elif isinstance(error, Refused):
            # Not who finds no place: there may be one in a moment, and it was not the caller who asked too often.
            raise RateExceeded(wait_s) from error

    @abstractmethod
    def entry(
        self, request: Request, desk: Desk, principal: Principal, error: Exception, read: Read
    ) -> Callable[[], None]:
        """What commits that the request ended in this way, and keeps nothing that is large; not on the event loop."""


class AllowedOrEntry(AllowedAndLogged):
    """It leaves one entry of ``kind``, and the owner of a record is told who was denied it."""

    def __init__(self, scope: Scope, kind: Kind) -> None:
        super().__init__(scope)
        self._kind = kind

    def entry(
        self, request: Request, desk: Desk, principal: Principal, error: Exception, _: Read
    ) -> Callable[[], None]:
        """What commits the entry."""
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
        entry = NewEntry.of(principal.tenant, self._kind, uuid4(), datetime.now(UTC), fields)
        if record is None or not isinstance(error, Refused):
            return lambda: desk.parts.audit.commit(entry)
        return lambda: deny(entry, principal.subject, record, desk.parts)
