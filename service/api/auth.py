"""Who calls, and whether they may: decided before the body of a request is read."""

from typing import Annotated

from fastapi import Depends, Request
from fastapi.routing import RouteContext

from service.access.principal import Principal, Scope
from service.access.refusal import TokenRefused
from service.access.tokens import PREFIX
from service.api.desk import AtDesk, Desk


class Allowed:
    """A dependency: the caller, who holds ``scope``."""

    def __init__(self, scope: Scope) -> None:
        self.scope = scope

    async def __call__(self, request: Request, desk: AtDesk) -> Principal:
        """Authenticate and authorize.

        Raises:
            TokenRefused: there is no valid token.
            RateExceeded: the caller asks too often.
            ScopeMissing: its scopes do not reach.
        """
        principal = await authenticated(request, desk)
        await spend(principal, desk)
        principal.require(self.scope)
        return principal


def scope_of(route: RouteContext) -> Scope | None:
    """The scope a route asks its callers for; None if anybody may call it."""
    dependant = getattr(route, "dependant", None)
    dependencies = [] if dependant is None else dependant.dependencies
    return next((one.call.scope for one in dependencies if isinstance(one.call, Allowed)), None)


async def authenticated(request: Request, desk: Desk) -> Principal:
    """The caller of a request.

    Raises:
        TokenRefused: there is no bearer token, several, or one that is not valid.
        IdentityProviderUnavailable: the keys to check it with cannot be had.
    """
    token = _bearer(request)
    if desk.oidc is None or token.startswith(PREFIX):
        return await desk.workers.quickly(lambda: desk.tokens.authenticate(token))
    oidc = desk.oidc
    return await desk.workers.patiently(lambda: oidc.authenticate(token))


async def spend(caller: Principal, desk: Desk) -> None:
    """Count a request of a caller who is known.

    Raises:
        RateExceeded: it is one too many.
    """
    if desk.quota is not None:
        quota = desk.quota
        await desk.workers.quickly(lambda: quota.spend(caller))


MayAnonymize = Annotated[Principal, Depends(Allowed(Scope.ANONYMIZE))]
MayAudit = Annotated[Principal, Depends(Allowed(Scope.AUDIT))]


def _bearer(request: Request) -> str:
    """The token of the one ``Authorization`` header (RFC 6750, section 2.1)."""
    headers = request.headers.getlist("authorization")
    scheme, _, token = headers[0].partition(" ") if len(headers) == 1 else ("", "", "")
    if scheme.lower() != "bearer" or not token:
        raise TokenRefused
    return token.strip()
