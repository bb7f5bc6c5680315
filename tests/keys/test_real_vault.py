"""Our keys on a real server that is sealed, stopped and started."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from service.errors import KeysUnavailable
from service.keys.vault_bootstrap import Kubernetes, bootstrap
from service.keys.vault_login import KubernetesLogin
from service.keys.vault_policies import KvLayout
from tests.vault.cluster import cluster
from tests.vault.openbao import OpenBao, prepared_openbao
from tests.vault.running import PATH

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


def test_a_pod_logs_in_with_the_token_of_its_service_account(server: OpenBao, tmp_path: Path) -> None:
    """The auth method is the real one; of Kubernetes there is only what it asks."""
    (file := tmp_path / "token").write_text("")
    login = KubernetesLogin(role="visard-service", token_path=file)
    with cluster() as pods, server.process():
        server.unseal()
        server.mount()
        administrator = server.session()
        bootstrap(
            administrator,
            KvLayout(server.kv, PATH),
            "approle",
            Kubernetes(mount="kubernetes", namespace="visard", service_account="visard"),
        )
        reviewer = pods.token("kube-system", "vault")
        outside = {"token_reviewer_jwt": reviewer, "disable_local_ca_jwt": True, "kubernetes_ca_cert": "not asked for"}
        server.ask("POST", "auth/kubernetes/config", {"kubernetes_host": pods.url, **outside})
        server.keys("kv", administrator).create(TENANT)
        for namespace, name in (("visard", "other"), ("elsewhere", "visard")):
            file.write_text(pods.token(namespace, name))
            session = server.session(login)
            with pytest.raises(KeysUnavailable, match="credentials"):
                session.check()
            session.close()
        file.write_text(pods.token("visard", "visard"))
        keys = server.keys("kv", server.session(login))
        assert len(keys.record_key(TENANT, 1, b"c")) == 32
        # Kubernetes has replaced the token, and Vault no longer takes ours.
        pods.tokens.clear()
        file.write_text(pods.token("visard", "visard"))
        lease = keys._session.lease()
        assert lease is not None and lease.renewable
        server.ask("POST", "auth/token/revoke", {"token": lease.token})
        assert len(keys.record_key(TENANT, 1, b"c")) == 32
        keys.close()
