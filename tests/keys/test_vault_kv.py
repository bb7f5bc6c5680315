"""The KV engine: what others may do to it, and what that means for our keys."""

import base64
from collections.abc import Iterator
from datetime import UTC, datetime
from urllib.error import HTTPError

import pytest

from service.errors import KeyDestroyed, KeysUnavailable, TenantUnknown
from service.keys.derive import expand
from service.keys.vault_kv import VaultKvKeyStore
from tests.vault.running import PATH, Vault


@pytest.fixture
def keys(vault: Vault) -> Iterator[VaultKvKeyStore]:
    found = vault.keys("kv")
    assert isinstance(found, VaultKvKeyStore)
    yield found
    found.close()


def _at(vault: Vault, kind: str, tenant: str, version: int) -> str:
    return f"{vault.kv}/{kind}/{PATH}/{tenant}/{version}"


def test_each_version_is_a_secret_of_its_own(vault: Vault, keys: VaultKvKeyStore, tenant: str) -> None:
    keys.create(tenant)
    keys.rotate(tenant)
    for version in (1, 2):
        answer = vault.ask("GET", _at(vault, "data", tenant, version))["data"]
        master = base64.b64decode(answer["data"]["key"])
        assert answer["metadata"]["version"] == 1
        assert keys.record_key(tenant, version, b"context") == expand(master, b"context")


def test_deleted_is_not_destroyed(vault: Vault, keys: VaultKvKeyStore, tenant: str) -> None:
    keys.create(tenant)
    before = keys.record_key(tenant, 1, b"c")
    vault.ask("DELETE", _at(vault, "data", tenant, 1))
    for call in (lambda: keys.record_key(tenant, 1, b"c"), lambda: keys.current_version(tenant)):
        with pytest.raises(KeysUnavailable, match="deleted"):
            call()
    (listed,) = keys.versions(tenant)
    assert (listed.destroyed, listed.withheld) == (False, True)
    vault.ask("POST", _at(vault, "undelete", tenant, 1), {"versions": [1]})
    assert keys.record_key(tenant, 1, b"c") == before
    vault.ask("DELETE", _at(vault, "data", tenant, 1))
    keys.destroy(tenant, 1)
    vault.ask("POST", _at(vault, "undelete", tenant, 1), {"versions": [1]})
    with pytest.raises(KeyDestroyed):
        keys.record_key(tenant, 1, b"c")
    (listed,) = keys.versions(tenant)
    assert (listed.destroyed, listed.withheld) == (True, False)


def test_a_secret_that_somebody_wrote_over_still_gives_the_first_key(
    vault: Vault, keys: VaultKvKeyStore, tenant: str
) -> None:
    keys.create(tenant)
    before = keys.record_key(tenant, 1, b"c")
    stolen = vault.ask("GET", _at(vault, "data", tenant, 1))["data"]["data"]
    vault.ask("POST", _at(vault, "data", tenant, 1), {"data": {**stolen, "key": base64.b64encode(bytes(32)).decode()}})
    assert keys.record_key(tenant, 1, b"c") == before
    vault.ask("POST", _at(vault, "data", tenant, 1), {"data": stolen})
    keys.destroy(tenant, 1)
    for version in (1, 2, 3):
        with pytest.raises(HTTPError, match="404"):
            vault.ask("GET", _at(vault, "data", tenant, 1) + f"?version={version}")


def test_a_version_of_which_nothing_is_left_was_shredded(vault: Vault, keys: VaultKvKeyStore, tenant: str) -> None:
    keys.create(tenant)
    keys.rotate(tenant)
    keys.rotate(tenant)
    for version in (1, 2):
        vault.ask("DELETE", _at(vault, "metadata", tenant, version))
        with pytest.raises(KeyDestroyed):
            keys.record_key(tenant, version, b"c")
    assert [key.destroyed for key in keys.versions(tenant)] == [True, True, False]
    assert keys.rotate(tenant) == 4


def test_an_engine_that_deletes_by_itself_gets_no_images(vault: Vault, keys: VaultKvKeyStore, tenant: str) -> None:
    vault.ask("POST", f"{vault.kv}/config", {"delete_version_after": "1h"})
    try:
        with pytest.raises(KeysUnavailable, match="by itself"):
            keys.create(tenant)
    finally:
        vault.ask("POST", f"{vault.kv}/config", {"delete_version_after": "0s"})


@pytest.mark.parametrize("content", [{}, {"key": "short"}, {"key": "AAAA"}, {"key": None}])
def test_what_is_no_key_is_not_used(vault: Vault, keys: VaultKvKeyStore, tenant: str, content: object) -> None:
    vault.ask("POST", _at(vault, "data", tenant, 1), {"data": content})
    with pytest.raises(KeysUnavailable) as caught:
        keys.record_key(tenant, 1, b"c")
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None


def test_foreign_secrets_beside_ours_do_not_count(vault: Vault, keys: VaultKvKeyStore, tenant: str) -> None:
    vault.ask("POST", f"{vault.kv}/data/{PATH}/{tenant}/notes", {"data": {"a": "b"}})
    with pytest.raises(TenantUnknown):
        keys.current_version(tenant)
    assert keys.create(tenant) == 1


def test_creation_times_are_vaults(vault: Vault, keys: VaultKvKeyStore, tenant: str) -> None:
    keys.create(tenant)
    (listed,) = keys.versions(tenant)
    told = vault.ask("GET", _at(vault, "metadata", tenant, 1))["data"]["versions"]["1"]["created_time"]
    assert listed.created is not None
    assert listed.created.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S") == told[:19]
    assert listed.created <= datetime.now(UTC)


@pytest.mark.parametrize("mode", ["kv", "transit"])
def test_a_missing_engine_is_not_a_missing_tenant(mode: str, vault: Vault, tenant: str) -> None:
    wrong = Vault(vault.url, vault.token, name="visard-nowhere").keys(mode)
    for call in (wrong.check, lambda: wrong.create(tenant), lambda: wrong.current_version(tenant)):
        with pytest.raises(KeysUnavailable, match="no such engine"):
            call()
    wrong.close()
