"""An identity provider whose tokens are believed, and a clock."""

from collections.abc import Iterator
from typing import Any

import pytest

from service.access.jwks import KeySet
from service.access.jwks_fetch import fetch_jwks
from service.access.oidc import OidcTokens, Rules
from service.access.principal import Principal, Scope
from service.errors import TenantUnknown
from tests.access.provider import AUDIENCE, ISSUER, Provider, provider

ALL = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA")
PATIENCE_S = 10.0
ALICE = Principal("alice", "acme", frozenset({Scope.RECOVER, Scope.AUDIT}))


class Clock:
    """Stands until it is moved."""

    def __init__(self) -> None:
        self.time = 1000.0

    def __call__(self) -> float:
        return self.time


class OneTenant:
    def get(self, name: str) -> str:
        if name != "acme":
            raise TenantUnknown("there is no such tenant")
        return name


def rules(**changes: Any) -> Rules:
    good = {
        "issuer": ISSUER,
        "audience": AUDIENCE,
        "algorithms": ALL,
        "leeway_s": 30.0,
        "tenant_claim": "tenant",
        "scope_claim": "scope",
    }
    return Rules(**{**good, **changes})


@pytest.fixture
def server() -> Iterator[Provider]:
    with provider() as running:
        yield running


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def keys(server: Provider, clock: Clock) -> KeySet:
    return KeySet(lambda: fetch_jwks(server.url, PATIENCE_S), PATIENCE_S, clock)


@pytest.fixture
def oidc(keys: KeySet) -> OidcTokens:
    return OidcTokens(rules(), keys, OneTenant())
