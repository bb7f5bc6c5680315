"""Fixtures of Vault, for the rooms whose tests want one: imported by their ``conftest``."""

from collections.abc import Iterator

import pytest

from tests.given import given
from tests.vault.openbao import running_openbao
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
    """A real server: the one named by the environment, or an OpenBao of our own.

    The token must be allowed to mount engines and auth methods.
    """
    address, token = given(ADDRESS), given(TOKEN)
    if address and token:
        with Vault(address.rstrip("/"), token).mounted() as vault:
            yield vault
        return
    with running_openbao() as server, server.mounted():
        yield server


@pytest.fixture(params=["vault_double", "vault_server"])
def vault(request: pytest.FixtureRequest) -> Vault:
    """The double, and a real server."""
    found: Vault = request.getfixturevalue(request.param)
    return found
