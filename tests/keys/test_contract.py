"""What every custodian of keys must do, whoever it is. Tenants are new in each test: a server keeps them."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from service.errors import (
    DestructionRefused,
    KeyDestroyed,
    KeyVersionUnknown,
    TenantInvalid,
    TenantUnknown,
)
from service.keys.provider import KeyProvider
from tests.keys.conftest import Custody


def test_create_makes_one_key_and_keeps_it(keys: KeyProvider, tenant: str) -> None:
    assert keys.create(tenant) == 1
    before = keys.record_key(tenant, 1, b"context")
    assert keys.create(tenant) == 1
    assert keys.record_key(tenant, 1, b"context") == before
    assert len(before) == 32


def test_keys_outlive_the_provider(custody: Custody, tenant: str) -> None:
    first, second = custody.open(), custody.open()
    first.create(tenant)
    assert second.record_key(tenant, 1, b"c") == first.record_key(tenant, 1, b"c")
    assert first.custodian == second.custodian


def test_keys_differ_by_tenant_version_and_context(keys: KeyProvider, tenant: str) -> None:
    other = f"{tenant}-other"
    keys.create(tenant)
    keys.create(other)
    keys.rotate(tenant)
    asked = [(tenant, 1, b"a"), (tenant, 1, b"b"), (tenant, 1, b""), (tenant, 2, b"a"), (other, 1, b"a")]
    assert len({keys.record_key(*one) for one in asked}) == len(asked)


@settings(max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=300), st.binary(max_size=300))
def test_different_contexts_have_different_keys(keys: KeyProvider, tenant: str, a: bytes, b: bytes) -> None:
    keys.create(tenant)
    assert (keys.record_key(tenant, 1, a) == keys.record_key(tenant, 1, b)) == (a == b)


def test_rotation_keeps_older_versions_usable(keys: KeyProvider, tenant: str) -> None:
    before = datetime.now(UTC) - timedelta(minutes=10)
    keys.create(tenant)
    old = keys.record_key(tenant, 1, b"c")
    assert keys.rotate(tenant) == 2
    assert keys.current_version(tenant) == keys.create(tenant) == 2
    assert keys.record_key(tenant, 1, b"c") == old
    listed = keys.versions(tenant)
    assert [(key.version, key.destroyed, key.withheld) for key in listed] == [(1, False, False), (2, False, False)]
    for key in listed:
        assert key.created is not None and before < key.created < datetime.now(UTC) + timedelta(minutes=10)


def test_no_number_of_rotations_drops_a_version(keys: KeyProvider, tenant: str) -> None:
    keys.create(tenant)
    first = keys.record_key(tenant, 1, b"c")
    # KV keeps ten versions of a secret and destroys older ones for good.
    assert [keys.rotate(tenant) for _ in range(12)] == list(range(2, 14))
    assert keys.record_key(tenant, 1, b"c") == first
    assert len({keys.record_key(tenant, version, b"c") for version in range(1, 14)}) == 13


def test_a_destroyed_version_is_gone_and_the_rest_stays(custody: Custody, tenant: str) -> None:
    keys = custody.open()
    keys.create(tenant)
    keys.rotate(tenant)
    kept = keys.record_key(tenant, 2, b"c")
    keys.destroy(tenant, 1)
    keys.destroy(tenant, 1)
    for provider in (keys, custody.open()):
        with pytest.raises(KeyDestroyed):
            provider.record_key(tenant, 1, b"c")
        assert provider.record_key(tenant, 2, b"c") == kept
        assert [key.destroyed for key in provider.versions(tenant)] == [True, False]
        assert not any(key.withheld for key in provider.versions(tenant))
    assert keys.rotate(tenant) == 3


def test_versions_are_destroyed_one_after_the_other(keys: KeyProvider, tenant: str) -> None:
    keys.create(tenant)
    for _ in range(3):
        keys.rotate(tenant)
    for version in (1, 2, 3):
        keys.destroy(tenant, version)
        assert [key.destroyed for key in keys.versions(tenant)] == [n <= version for n in range(1, 5)]
    assert keys.current_version(tenant) == 4


def test_only_the_version_that_was_named_is_destroyed(custody: Custody, tenant: str) -> None:
    keys = custody.open()
    keys.create(tenant)
    keys.rotate(tenant)
    keys.rotate(tenant)
    before = [keys.record_key(tenant, version, b"c") for version in (1, 2, 3)]
    if custody.destroys_any:
        keys.destroy(tenant, 2)
        with pytest.raises(KeyDestroyed):
            keys.record_key(tenant, 2, b"c")
    else:
        with pytest.raises(DestructionRefused, match="version 1 comes first"):
            keys.destroy(tenant, 2)
        assert keys.record_key(tenant, 2, b"c") == before[1]
    assert [keys.record_key(tenant, version, b"c") for version in (1, 3)] == [before[0], before[2]]


def test_destroying_the_current_version(custody: Custody, tenant: str) -> None:
    keys = custody.open()
    keys.create(tenant)
    if custody.destroys_any:
        keys.destroy(tenant, 1)
        for call in (keys.current_version, keys.create):
            with pytest.raises(KeyDestroyed):
                call(tenant)
    else:
        with pytest.raises(DestructionRefused, match="rotate first"):
            keys.destroy(tenant, 1)
    assert keys.rotate(tenant) == 2
    assert keys.current_version(tenant) == 2
    keys.destroy(tenant, 1)
    assert [key.destroyed for key in keys.versions(tenant)] == [True, False]


def test_unknown_tenants_and_versions_are_refused(keys: KeyProvider, tenant: str) -> None:
    for call in (keys.current_version, keys.rotate, keys.versions):
        with pytest.raises(TenantUnknown):
            call(tenant)
    with pytest.raises(TenantUnknown):
        keys.record_key(tenant, 1, b"c")
    with pytest.raises(TenantUnknown):
        keys.destroy(tenant, 1)
    keys.create(tenant)
    for version in (0, 2, 2**32 - 1):
        with pytest.raises(KeyVersionUnknown):
            keys.record_key(tenant, version, b"c")
        with pytest.raises(KeyVersionUnknown):
            keys.destroy(tenant, version)


@pytest.mark.parametrize("name", ["", ".", "../acme", "a/b", "Acme", "-a", "a" * 64, "a\n", "a\0", "é"])
def test_names_no_tenant_can_have_are_invalid(keys: KeyProvider, name: str) -> None:
    for call in (keys.create, keys.current_version, keys.rotate, keys.versions):
        with pytest.raises(TenantInvalid):
            call(name)
    with pytest.raises(TenantInvalid):
        keys.record_key(name, 1, b"c")


@pytest.mark.parametrize("ending", ["", ".", "-", "_", "..", ".a..b", "." * 20])
def test_every_name_a_tenant_can_have_works(keys: KeyProvider, tenant: str, ending: str) -> None:
    name = tenant[:40] + ending
    assert keys.create(name) == 1
    assert len(keys.record_key(name, 1, b"c")) == 32
    assert keys.rotate(name) == 2
    keys.destroy(name, 1)
    with pytest.raises(TenantUnknown):
        keys.current_version(f"{name}x")


def test_many_who_create_and_rotate_at_once_lose_nothing(custody: Custody, tenant: str) -> None:
    providers = [custody.open() for _ in range(3)]

    def work(keys: KeyProvider) -> tuple[bytes, list[int]]:
        keys.create(tenant)
        return keys.record_key(tenant, 1, b"c"), [keys.rotate(tenant) for _ in range(2)]

    with ThreadPoolExecutor(3) as pool:
        made = list(pool.map(work, providers))
    assert len({key for key, _ in made}) == 1
    numbers = [key.version for key in providers[0].versions(tenant)]
    # A custodian may make one too many where it cannot tell whether it made one.
    assert len(numbers) >= 7 and numbers == list(range(1, numbers[-1] + 1))
    assert len({providers[0].record_key(tenant, version, b"c") for version in numbers}) == len(numbers)


def test_a_custodian_that_answers_is_fine_and_shows_nothing(keys: KeyProvider, tenant: str) -> None:
    keys.check()
    assert "***" in repr(keys)
