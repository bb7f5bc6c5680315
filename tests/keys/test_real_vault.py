"""Our keys on a real server that is sealed, stopped and started."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from service.errors import KeysUnavailable
from tests.vault.openbao import OpenBao, prepared_openbao

TENANT = "acme"


@pytest.fixture
def server() -> Iterator[OpenBao]:
    """Stopped; nobody else uses it."""
    with prepared_openbao() as server:
        yield server


@pytest.mark.parametrize("mode", ["kv", "transit"])
def test_keys_are_back_after_sealing_and_restarting(mode: str, server: OpenBao) -> None:
    keys = server.keys(mode, server.session(timeout_s=2.0))
    with server.process():
        server.unseal()
        server.mount()
        keys.create(TENANT)
        before = keys.record_key(TENANT, 1, b"c")
        server.seal()
        for call in (keys.check, lambda: keys.record_key(TENANT, 1, b"c")):
            with pytest.raises(KeysUnavailable, match="sealed"):
                call()
        server.unseal()
        assert keys.record_key(TENANT, 1, b"c") == before
    with pytest.raises(KeysUnavailable, match="does not answer"):
        keys.check()
    with server.process():
        with pytest.raises(KeysUnavailable, match="sealed"):
            keys.check()
        server.unseal()
        keys.check()
        assert keys.record_key(TENANT, 1, b"c") == before
    keys.close()


def test_no_version_that_transit_gave_out_is_lost_by_a_restart(server: OpenBao) -> None:
    keys = server.keys("transit")
    with server.process():
        server.unseal()
        server.mount()
        keys.create(TENANT)
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda _: server.keys("transit").rotate(TENANT), range(12)))
        versions = range(1, keys.current_version(TENANT) + 1)
        before = {version: keys.record_key(TENANT, version, b"c") for version in versions}
    assert len(before) > 12
    with server.process():
        server.unseal()
        assert {version: keys.record_key(TENANT, version, b"c") for version in before} == before
    keys.close()
