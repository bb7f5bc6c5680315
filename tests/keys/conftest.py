"""Custodians to test: the local keystore, Vault's double, and a real server where the environment names one."""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from service.keys.local import LocalKeyStore
from service.keys.provider import KeyProvider
from tests.vault.running import Double, Vault, double

ADDRESS, TOKEN = "VISARD_TEST_VAULT_ADDR", "VISARD_TEST_VAULT_TOKEN"


@pytest.fixture(scope="session")
def vault_double() -> Iterator[Double]:
    with double() as started, started.mounted():
        yield started


@pytest.fixture
def healthy_double(vault_double: Double) -> Iterator[Double]:
    """The double, healed afterwards."""
    yield vault_double
    vault_double.heal()


@pytest.fixture(scope="session")
def vault_server() -> Iterator[Vault]:
    """A real server, Vault or OpenBao; the token must be allowed to mount engines and auth methods."""
    address, token = os.environ.get(ADDRESS), os.environ.get(TOKEN)
    if not address or not token:
        pytest.skip(f"{ADDRESS} and {TOKEN} name no server")
    with Vault(address.rstrip("/"), token).mounted() as vault:
        yield vault


@pytest.fixture(params=["vault_double", "vault_server"])
def vault(request: pytest.FixtureRequest) -> Vault:
    """The double, and the real server."""
    found: Vault = request.getfixturevalue(request.param)
    return found


@dataclass(frozen=True)
class Custody:
    """A custodian, and how to open another one on the same keys.

    Attributes:
        open: makes a provider.
        destroys_any: versions in any order, the current one among them.
    """

    open: Callable[[], KeyProvider]
    destroys_any: bool


@pytest.fixture(
    params=[
        "local",
        *(f"{server}-{mode}" for server in ("vault_double", "vault_server") for mode in ("kv", "transit")),
    ]
)
def custody(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Custody]:
    """Every custodian there is."""
    where, _, mode = request.param.partition("-")
    opened: list[KeyProvider] = []

    def open_() -> KeyProvider:
        if where == "local":
            opened.append(LocalKeyStore(tmp_path / "keys"))
        else:
            opened.append(request.getfixturevalue(where).keys(mode))
        return opened[-1]

    yield Custody(open_, destroys_any=mode != "transit")
    for keys in opened:
        keys.close()


@pytest.fixture
def keys(custody: Custody) -> KeyProvider:
    return custody.open()
