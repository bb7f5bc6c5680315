"""The transit engine: the same derivation as everywhere, and keys that are withheld or gone."""

import base64
from collections.abc import Iterator

import pytest

from service.errors import KeysUnavailable
from service.keys.derive import expand
from service.keys.vault_transit import VaultTransitKeyStore
from tests.vault.running import PREFIX, Vault


@pytest.fixture
def keys(vault: Vault) -> Iterator[VaultTransitKeyStore]:
    found = vault.keys("transit")
    assert isinstance(found, VaultTransitKeyStore)
    yield found
    found.close()


def test_record_keys_are_hkdf_of_a_master_that_stays(vault: Vault, keys: VaultTransitKeyStore, tenant: str) -> None:
    vault.ask("POST", f"{vault.transit}/keys/{PREFIX}{tenant}", {"type": "aes256-gcm96", "exportable": True})
    keys.rotate(tenant)
    for version in (1, 2):
        exported = vault.ask("GET", f"{vault.transit}/export/hmac-key/{PREFIX}{tenant}/{version}")["data"]["keys"]
        master = base64.b64decode(exported[str(version)])
        assert keys.record_key(tenant, version, b"context") == expand(master, b"context")


def test_our_keys_cannot_be_exported(vault: Vault, keys: VaultTransitKeyStore, tenant: str) -> None:
    keys.create(tenant)
    key = vault.ask("GET", f"{vault.transit}/keys/{PREFIX}{tenant}")["data"]
    assert (key["exportable"], key["derived"], key["allow_plaintext_backup"]) == (False, False, False)


def test_withheld_is_not_destroyed(vault: Vault, keys: VaultTransitKeyStore, tenant: str) -> None:
    keys.create(tenant)
    before = keys.record_key(tenant, 1, b"c")
    keys.rotate(tenant)
    config = f"{vault.transit}/keys/{PREFIX}{tenant}/config"
    vault.ask("POST", config, {"min_encryption_version": 2})
    with pytest.raises(KeysUnavailable, match="min_encryption_version"):
        keys.record_key(tenant, 1, b"c")
    assert [(key.destroyed, key.withheld) for key in keys.versions(tenant)] == [(False, True), (False, False)]
    vault.ask("POST", config, {"min_encryption_version": 0})
    assert keys.record_key(tenant, 1, b"c") == before


def test_a_destruction_that_was_interrupted_can_be_finished(
    vault: Vault, keys: VaultTransitKeyStore, tenant: str
) -> None:
    keys.create(tenant)
    keys.rotate(tenant)
    config = f"{vault.transit}/keys/{PREFIX}{tenant}/config"
    vault.ask("POST", config, {"min_encryption_version": 2})
    assert not keys.versions(tenant)[0].destroyed
    keys.destroy(tenant, 1)
    assert keys.versions(tenant)[0].destroyed
