"""What the routes work with; built once by the composition root."""

from dataclasses import dataclass, field
from typing import Annotated, Protocol

from fastapi import Depends, Request

from service.access.principal import Principal
from service.access.quota import Quota
from service.access.tenants import Tenant
from service.api.readiness import Readiness
from service.api.refusals import Refusals
from service.api.workers import Workers
from service.metrics import Metrics
from service.operations.parts import Parts
from service.replays import ReplayStore
from service.tracing import OFF, Tracing


class Tokens(Protocol):
    """Who proves who calls."""

    def authenticate(self, token: str) -> Principal:
        """Whose token this is; raises TokenRefused."""
        ...


class Tenants(Protocol):
    """Who knows what tenants chose."""

    def get(self, name: str) -> Tenant:
        """The tenant of this name; raises TenantUnknown."""
        ...


@dataclass(frozen=True, slots=True)
class UploadLimits:
    """What a request body may cost.

    Attributes:
        max_bytes: of the whole body.
        seconds: from its first byte to its last; an answer may stand still as long.
    """

    max_bytes: int = 64 << 20
    seconds: float = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """Everything a request needs.

    Attributes:
        tokens: our own.
        oidc: those of an identity provider, which may have to be asked for its keys.
        quota: of each caller; none if they may ask as often as they like.
        refusals: of each caller, on routes that write them down.
        tracing: is told of every request.
    """

    parts: Parts
    tokens: Tokens
    oidc: Tokens | None = None
    tenants: Tenants
    metrics: Metrics
    workers: Workers
    readiness: Readiness
    replays: ReplayStore
    quota: Quota | None = None
    refusals: Refusals = field(default_factory=Refusals)
    tracing: Tracing = OFF
    limits: UploadLimits = UploadLimits()


def desk_of(request: Request) -> Desk:
    """The desk of the application that answers."""
    desk: Desk = request.app.state.desk
    return desk


AtDesk = Annotated[Desk, Depends(desk_of)]
