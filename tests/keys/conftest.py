"""Custodians to test: the local keystore, Vault's double, and a real server where the environment names one."""

import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from service.keys.local import LocalKeyStore
from service.keys.provider import KeyProvider
from tests.vault.fixtures import healthy_double, vault, vault_double, vault_server

__all__ = ["healthy_double", "vault", "vault_double", "vault_server"]

COST = 2**4
"""Of scrypt: tests need not be slow."""


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
        "local-passphrase",
        *(f"{server}-{mode}" for server in ("vault_double", "vault_server") for mode in ("kv", "transit")),
    ]
)
def custody(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Custody]:
    """Every custodian there is."""
    where, _, mode = request.param.partition("-")
    opened: list[KeyProvider] = []

    def open_() -> KeyProvider:
        if where == "local":
            opened.append(LocalKeyStore(tmp_path / "keys", "correct horse" if mode else None, cost=COST))
        else:
            opened.append(request.getfixturevalue(where).keys(mode))
        return opened[-1]

    yield Custody(open_, destroys_any=mode != "transit")
    for keys in opened:
        keys.close()


@pytest.fixture
def keys(custody: Custody) -> KeyProvider:
    return custody.open()


@pytest.fixture
def tenant() -> str:
    """Another one for each test: what a server was told stays in it."""
    return f"t{uuid.uuid4().hex}"
