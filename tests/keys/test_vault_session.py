"""The line to Vault: logging in, staying logged in, and what is said when it does not work."""

import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
from pydantic import SecretStr

from service.errors import KeysForbidden, KeysUnavailable
from service.keys.vault_login import AppRoleLogin, KubernetesLogin, Login, TokenFileLogin, TokenLogin
from service.keys.vault_renewal import Renewal
from tests.vault.running import Double, Vault
from tests.waiting import until

TENANT = "acme"


@contextmanager
def _approle(vault: Vault, **options: object) -> Iterator[AppRoleLogin]:
    """An AppRole with all rights on the engines of this run."""
    name = vault.name
    _allow(vault, vault.kv, vault.transit)
    vault.ask("POST", f"sys/auth/{name}", {"type": "approle"})
    try:
        vault.ask("POST", f"auth/{name}/role/service", {"token_policies": [name], **options})
        role_id = vault.ask("GET", f"auth/{name}/role/service/role-id")["data"]["role_id"]
        secret_id = vault.ask("POST", f"auth/{name}/role/service/secret-id", {})["data"]["secret_id"]
        yield AppRoleLogin(role_id=role_id, secret_id=SecretStr(secret_id), mount=name)
    finally:
        vault.ask("DELETE", f"sys/auth/{name}")
        vault.ask("DELETE", f"sys/policies/acl/{name}")


def _allow(vault: Vault, *mounts: str) -> None:
    """Change the policy of the AppRole: all rights on these engines."""
    rights = '{ capabilities = ["create", "read", "update", "list"] }'
    policy = "\n".join(f'path "{mount}/*" {rights}' for mount in mounts)
    vault.ask("PUT", f"sys/policies/acl/{vault.name}", {"policy": policy})


def _ttl(seconds: int, longest: int) -> dict[str, str]:
    return {"token_ttl": f"{seconds}s", "token_max_ttl": f"{longest}s"}


def _works(vault: Vault, login: Login | None) -> None:
    session = vault.session(login)
    keys = vault.keys("kv", session)
    keys.create(TENANT)
    assert len(keys.record_key(TENANT, 1, b"c")) == 32
    keys.check()
    keys.close()


def _token(vault: Vault, **options: object) -> str:
    found: str = vault.ask("POST", "auth/token/create", options)["auth"]["client_token"]
    return found


def test_an_approle_logs_in(vault: Vault, tmp_path: Path) -> None:
    with _approle(vault) as login:
        _works(vault, login)
        assert login.secret_id is not None
        file = tmp_path / "secret-id"
        file.write_text(f"{login.secret_id.get_secret_value()}\n")
        _works(vault, AppRoleLogin(role_id=login.role_id, secret_id_path=file, mount=login.mount))
        for wrong in (
            AppRoleLogin(role_id=login.role_id, secret_id=SecretStr("wrong"), mount=login.mount),
            AppRoleLogin(role_id="wrong", secret_id=login.secret_id, mount=login.mount),
        ):
            session = vault.session(wrong)
            with pytest.raises(KeysUnavailable, match="credentials"):
                session.check()
            session.close()


def test_a_token_and_a_file_with_a_token_log_in(vault: Vault, tmp_path: Path) -> None:
    token = _token(vault, policies=["root"])
    _works(vault, TokenLogin(SecretStr(token)))
    file = tmp_path / "token"
    file.write_text(f"{token}\n")
    _works(vault, TokenFileLogin(file))


def test_an_agents_new_token_is_picked_up(vault: Vault, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(first := _token(vault, policies=["root"]))
    session = vault.session(TokenFileLogin(file))
    session.check()
    file.write_text(_token(vault, policies=["root"]))
    vault.ask("POST", "auth/token/revoke-self", {}, token=first)
    session.check()
    session.close()


def test_a_service_account_logs_in(vault_double: Double, tmp_path: Path) -> None:
    vault_double.ask("POST", "sys/auth/kubernetes", {"type": "kubernetes"})
    vault_double.ask("POST", "auth/kubernetes/role/visard", {"token_policies": ["root"]})
    jwt = tmp_path / "jwt"
    jwt.write_text("header.payload.signature")
    vault_double.order("service-account", jwt="header.payload.signature", role="visard")
    _works(vault_double, KubernetesLogin(role="visard", token_path=jwt))
    jwt.write_text("other.payload.signature")
    session = vault_double.session(KubernetesLogin(role="visard", token_path=jwt))
    with pytest.raises(KeysUnavailable, match="credentials"):
        session.check()
    session.close()


def test_credentials_that_cannot_be_read_are_named_without_their_path(vault_double: Double, tmp_path: Path) -> None:
    session = vault_double.session(TokenFileLogin(tmp_path / "missing"))
    with pytest.raises(KeysUnavailable, match="cannot be read") as caught:
        session.check()
    assert str(tmp_path) not in str(caught.value)
    session.close()


def test_what_is_not_allowed_is_forbidden(vault: Vault) -> None:
    session = vault.session(TokenLogin(SecretStr(_token(vault, policies=["default"]))))
    for mode in ("kv", "transit"):
        keys = vault.keys(mode, session)
        for call in (keys.create, keys.current_version, keys.rotate, keys.versions):
            with pytest.raises(KeysForbidden):
                call(TENANT)
        with pytest.raises(KeysForbidden):
            keys.record_key(TENANT, 1, b"c")
        with pytest.raises(KeysForbidden):
            keys.check()
    session.close()


def test_a_denial_costs_no_login(vault: Vault) -> None:
    with _approle(vault) as login:
        session = vault.session(login)
        keys = vault.keys("kv", session)
        keys.create(TENANT)
        lease = session.lease()
        _allow(vault, "nothing")
        for _ in range(3):
            with pytest.raises(KeysForbidden):
                keys.record_key(TENANT, 1, b"c")
        _allow(vault, vault.kv, vault.transit)
        assert len(keys.record_key(TENANT, 1, b"c")) == 32
        assert session.lease() == lease
        session.close()


def test_a_login_that_fails_does_not_end_a_token_that_still_works(vault: Vault, tmp_path: Path) -> None:
    (file := tmp_path / "token").write_text(_token(vault, policies=["root"]))
    session = vault.session(TokenFileLogin(file))
    session.check()
    file.unlink()
    with pytest.raises(KeysUnavailable, match="cannot be read"):
        session.prolong()
    session.check()
    session.close()


def test_a_token_that_is_no_longer_valid_is_no_denial(vault: Vault) -> None:
    token = _token(vault, policies=["root"])
    session = vault.session(TokenLogin(SecretStr(token)))
    keys = vault.keys("kv", session)
    keys.create(TENANT)
    vault.ask("POST", "auth/token/revoke-self", {}, token=token)
    with pytest.raises(KeysUnavailable, match="credentials"):
        keys.record_key(TENANT, 1, b"c")
    session.close()


def test_a_token_that_expired_is_replaced_by_a_new_login(vault: Vault) -> None:
    with _approle(vault) as login:
        session = vault.session(login)
        keys = vault.keys("kv", session)
        keys.create(TENANT)
        before = keys.record_key(TENANT, 1, b"c")
        lease = session.lease()
        assert lease is not None and lease.renewable
        vault.ask("POST", "auth/token/revoke-self", {}, token=lease.token)
        with ThreadPoolExecutor(4) as pool:
            assert set(pool.map(lambda _: keys.record_key(TENANT, 1, b"c"), range(8))) == {before}
        fresh = session.lease()
        assert fresh is not None and fresh.token != lease.token
        session.close()


def test_a_lease_is_renewed_until_only_a_new_login_helps(vault: Vault) -> None:
    with _approle(vault, **_ttl(30, 40)) as login:
        session = vault.session(login)
        session.check()
        first = session.lease()
        session.prolong()
        renewed = session.lease()
        assert first is not None and renewed is not None
        assert renewed.token == first.token and renewed.since > first.since
        session.close()
    with _approle(vault, **_ttl(3, 4)) as login:
        session = vault.session(login)
        session.check()
        first, renewal = session.lease(), Renewal(session)
        # Longer than any one token lives.
        until(lambda: (lease := session.lease()) and first and lease.token != first.token)
        renewal.close()
        session.check()
        session.close()


def test_renewal_survives_a_vault_that_is_away(healthy_double: Double) -> None:
    with _approle(healthy_double, **_ttl(2, 0)) as login:
        session = healthy_double.session(login, timeout_s=1.0)
        healthy_double.seal()
        renewal = Renewal(session)
        with pytest.raises(KeysUnavailable, match="sealed"):
            session.check()
        healthy_double.unseal()
        until(lambda: session.lease() is not None)
        renewal.close()
        session.close()


def test_a_namespace_goes_along(vault_double: Double) -> None:
    name = f"ns-{uuid.uuid4().hex[:8]}"
    session = vault_double.session(namespace=name)
    with pytest.raises(KeysUnavailable, match=r"namespace|credentials"):
        session.check()
    vault_double.ask("POST", f"sys/namespaces/{name}", {})
    session.check()
    session.close()


def test_the_environment_decides_nothing(vault_double: Double, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VAULT_TOKEN", "from the environment")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    _works(vault_double, None)
    session = vault_double.session()
    assert session._anonymous.token == ""
    session.close()


def test_repr_shows_nothing(vault_double: Double) -> None:
    session = vault_double.session()
    session.check()
    shown = " ".join(
        map(repr, (session, session.lease(), TokenLogin(SecretStr("hunter2")), vault_double.keys("kv", session)))
    )
    for secret in (vault_double.token, "hunter2", vault_double.url):
        assert secret not in shown
    session.close()
