"""What is remembered of a custody: never for longer than allowed, and overwritten afterwards."""

import subprocess
import sys
import uuid
from dataclasses import dataclass

import pytest

from service.errors import KeyDestroyed, KeysUnavailable
from service.keys.cache import CurrentVersions, MasterKeyCache
from service.keys.memory import SecretPage
from tests.vault.running import PATH, Double
from tests.waiting import until

MASTER = bytes(range(32))


@dataclass
class Clock:
    now: float = 100.0

    def __call__(self) -> float:
        return self.now


def _page(cache: MasterKeyCache) -> SecretPage:
    ((_, page),) = cache._kept.values()
    return page


def test_a_key_is_remembered_for_its_time_and_then_wiped() -> None:
    clock = Clock()
    cache = MasterKeyCache(60, clock)
    cache.put("acme", 1, MASTER)
    page = _page(cache)
    clock.now += 59
    assert cache.get("acme", 1) == MASTER
    assert cache.get("acme", 2) is None and cache.get("globex", 1) is None
    clock.now += 1
    assert cache.get("acme", 1) is None
    assert page.read() == bytes(32)
    cache.clear()


def test_a_key_is_wiped_though_nobody_asks_again() -> None:
    cache = MasterKeyCache(0.05)
    cache.put("acme", 1, MASTER)
    page = _page(cache)
    until(lambda: page.read() == bytes(32))
    assert not cache._kept


def test_forgotten_and_replaced_keys_are_wiped() -> None:
    cache = MasterKeyCache(60)
    pages = []
    for _ in range(2):
        cache.put("acme", 1, MASTER)
        pages.append(_page(cache))
    assert [page.read() for page in pages] == [bytes(32), MASTER]
    cache.forget("acme", 1)
    cache.put("acme", 2, MASTER)
    pages.append(_page(cache))
    cache.clear()
    assert [page.read() for page in pages] == [bytes(32)] * 3


def test_zero_seconds_remember_nothing() -> None:
    cache = MasterKeyCache(0)
    cache.put("acme", 1, MASTER)
    assert cache.get("acme", 1) is None
    assert cache._sweeper is None


def test_pages_and_caches_show_nothing() -> None:
    cache = MasterKeyCache(60)
    cache.put("acme", 1, MASTER)
    assert MASTER.hex() not in repr(cache) + repr(_page(cache))
    assert repr(MASTER) not in repr(cache) + repr(_page(cache))
    cache.clear()


def test_the_current_version_is_asked_for_again_in_time() -> None:
    clock, answers = Clock(), iter([1, 2, 3])
    current = CurrentVersions(60, clock)
    assert [current.get("acme", lambda: next(answers)) for _ in range(2)] == [1, 1]
    clock.now += 60
    assert current.get("acme", lambda: next(answers)) == 2
    current.forget("acme")
    assert current.get("acme", lambda: next(answers)) == 3


@pytest.mark.parametrize(("seconds", "works"), [(0.0, False), (60.0, True)])
def test_a_remembered_key_outlives_a_sealed_vault(seconds: float, works: bool, healthy_double: Double) -> None:
    tenant = f"t{uuid.uuid4().hex}"
    keys = healthy_double.keys("kv", cache_s=seconds)
    keys.create(tenant)
    before = keys.record_key(tenant, keys.current_version(tenant), b"c")
    healthy_double.seal()
    if works:
        assert keys.record_key(tenant, keys.current_version(tenant), b"c") == before
    else:
        for call in (lambda: keys.current_version(tenant), lambda: keys.record_key(tenant, 1, b"c")):
            with pytest.raises(KeysUnavailable):
                call()
    keys.close()


def test_who_destroys_or_rotates_does_not_remember(healthy_double: Double) -> None:
    tenant = f"t{uuid.uuid4().hex}"
    keys = healthy_double.keys("kv", cache_s=60)
    keys.create(tenant)
    keys.record_key(tenant, keys.current_version(tenant), b"c")
    assert keys.rotate(tenant) == keys.current_version(tenant) == 2
    keys.destroy(tenant, 1)
    with pytest.raises(KeyDestroyed):
        keys.record_key(tenant, 1, b"c")
    keys.close()


def test_a_key_destroyed_elsewhere_is_used_no_longer_than_it_is_remembered(healthy_double: Double) -> None:
    tenant, clock = f"t{uuid.uuid4().hex}", Clock()
    keys = healthy_double.keys("kv", cache_s=60)
    keys._masters._clock = clock
    keys.create(tenant)
    keys.record_key(tenant, 1, b"c")
    healthy_double.ask("POST", f"{healthy_double.kv}/destroy/{PATH}/{tenant}/1", {"versions": [1]})
    clock.now += 61
    with pytest.raises(KeyDestroyed):
        keys.record_key(tenant, 1, b"c")
    keys.close()


_DUMPLESS = """
import ctypes, resource
from service.keys.memory import forbid_core_dumps
forbid_core_dumps()
print(resource.getrlimit(resource.RLIMIT_CORE)[0], ctypes.CDLL(None).prctl(3, 0, 0, 0, 0))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="prctl is Linux's")
def test_a_process_can_forbid_core_dumps() -> None:
    out = subprocess.run([sys.executable, "-c", _DUMPLESS], capture_output=True, text=True, check=True).stdout
    assert out.split() == ["0", "0"]


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel tells only there")
def test_pages_stay_out_of_core_dumps() -> None:
    from pathlib import Path

    flags = [line for line in Path("/proc/self/smaps").read_text().splitlines() if line.startswith("VmFlags:")]
    before = sum(" dd" in line for line in flags)
    pages = [SecretPage(MASTER), SecretPage(MASTER)]
    flags = [line for line in Path("/proc/self/smaps").read_text().splitlines() if line.startswith("VmFlags:")]
    assert sum(" dd" in line for line in flags) > before
    assert all(page.read() == MASTER for page in pages)
