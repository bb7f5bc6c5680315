"""The whole service in process, its keys in Vault's double. Faces and network are made up: custody is tested."""

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from service.access.principal import Scope
from service.administration import open_access
from service.app import create_app
from service.faces.detection import Detection
from service.settings import Settings
from tests.api.conftest import TENANT, Service, close
from tests.closed_form import AnalyticDenoiser
from tests.files import encoded
from tests.vault.fixtures import vault_double
from tests.vault.running import PREFIX, Double

__all__ = ["vault_double"]

DRILLS = os.environ.get("HYPOTHESIS_PROFILE") == "drills"
"""Whether the counts are those of the drills."""
LANDMARKS = np.array([[14, 18], [26, 18], [20, 24], [15, 29], [25, 29]], np.float64)


@dataclass(frozen=True)
class OneFace:
    """A detector that finds a face in the middle of a picture of 40 pixels."""

    def __call__(self, rgb: NDArray[np.uint8], min_confidence: float) -> list[Detection]:
        return [Detection((10.0, 8.0, 30.0, 34.0), 0.99, LANDMARKS)]


def picture(number: int) -> NDArray[np.uint8]:
    """(40, 40, 3), another one for each number."""
    return np.random.default_rng(number).integers(0, 256, (40, 40, 3), np.uint8)


def photo(number: int) -> bytes:
    return encoded(picture(number))


def recover(service: Service, image: bytes) -> Any:
    """The service's answer."""
    return service.post("/v1/recover", "all", image, reason="test")


@pytest.fixture(scope="session")
def approle(vault_double: Double) -> dict[str, Any]:
    """Settings of a login with rights on the engines of this run."""
    vault = vault_double
    rights = '{ capabilities = ["create", "read", "update", "list"] }'
    policy = "\n".join(f'path "{mount}/*" {rights}' for mount in (vault.kv, vault.transit))
    vault.ask("PUT", "sys/policies/acl/visard", {"policy": policy})
    vault.ask("POST", "sys/auth/approle", {"type": "approle"})
    vault.ask("POST", "auth/approle/role/visard", {"token_policies": ["visard"]})
    return {
        "vault_role_id": vault.ask("GET", "auth/approle/role/visard/role-id")["data"]["role_id"],
        "vault_secret_id": vault.ask("POST", "auth/approle/role/visard/secret-id", {})["data"]["secret_id"],
    }


Start = Callable[..., Service]


@pytest.fixture
def start(vault_double: Double, approle: dict[str, Any], small_bundle: Path, tmp_path: Path) -> Iterator[Start]:
    """Starts services on tenants of this test's own."""
    with ExitStack() as stack:

        def make(mode: str, before: Service | None = None, **changes: Any) -> Service:
            """``before``: the service whose tenant and token to go on with."""
            values = {
                "home": tmp_path / f"home-{mode}",
                "weights": small_bundle,
                "keystore": "vault",
                "key_cache_seconds": 0,
                "vault_addr": vault_double.url,
                "vault_mode": mode,
                "vault_kv_mount": vault_double.kv,
                "vault_kv_path": tmp_path.name,
                "vault_transit_mount": vault_double.transit,
                "vault_transit_prefix": f"{PREFIX}{tmp_path.name}-",
                "vault_timeout": 5.0,
                "vault_retries": 1,
                **approle,
                **changes,
            }
            service = serve(Settings(**values), None if before is None else before.tokens)
            stack.callback(close, service.app)
            return service

        yield make
        vault_double.heal()


def serve(settings: Settings, tokens: dict[str, str] | None = None) -> Service:
    """A service; with a new tenant and a token for everything, named ``all``, unless there are tokens."""
    if tokens is None:
        with open_access(settings) as access:
            access.tenants.create(TENANT)
            access.keys.create(TENANT)
    app = create_app(settings)
    desk = app.state.desk
    bundles = desk.parts.bundles
    bundles._loaded[bundles.default.digest] = AnalyticDenoiser()
    app.state.desk = replace(desk, parts=replace(desk.parts, detector=OneFace()))
    scopes = [Scope.ANONYMIZE, Scope.RECOVER]
    return Service(app, tokens or {"all": desk.tokens.create(TENANT, "auditor", scopes)[1]})


@pytest.fixture(params=["kv", "transit"])
def mode(request: pytest.FixtureRequest) -> str:
    found: str = request.param
    return found
