"""From settings to a custodian: what is missing is named, what is complete works."""

from pathlib import Path
from typing import Any

import pytest

from service.app import embedded_defaults
from service.errors import NotForProduction, SettingsInvalid
from service.keys.local import LocalKeyStore
from service.keystore import open_keys
from service.settings import Settings
from service.signer import signing_layout
from tests.vault.running import Double

VAULT: dict[str, Any] = {"keystore": "vault", "vault_addr": "https://vault.example:8200"}


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"keystore": "vault"}, "VISARD_VAULT_ADDR"),
        ({**VAULT, "vault_addr": "vault.example:8200"}, "VISARD_VAULT_ADDR"),
        ({**VAULT, "vault_addr": "https://"}, "VISARD_VAULT_ADDR"),
        ({**VAULT, "vault_addr": "https://[::1"}, "VISARD_VAULT_ADDR"),
        (VAULT, "VISARD_VAULT_SECRET_ID"),
        ({**VAULT, "vault_secret_id": "s", "vault_secret_id_path": "/s"}, "either"),
        ({**VAULT, "vault_secret_id": "s"}, "VISARD_VAULT_ROLE_ID"),
        ({**VAULT, "vault_auth": "kubernetes"}, "VISARD_VAULT_ROLE"),
        ({**VAULT, "vault_auth": "token-file"}, "VISARD_VAULT_TOKEN_PATH"),
        ({**VAULT, "vault_auth": "token"}, "VISARD_VAULT_TOKEN"),
        ({**VAULT, "vault_auth": "token", "vault_token": "t", "vault_client_key": "/k"}, "VISARD_VAULT_CLIENT_CERT"),
    ],
)
def test_what_is_missing_is_named(values: dict[str, Any], words: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsInvalid, match=words):
        open_keys(Settings(home=tmp_path, **values))


def _complete(double: Double, home: Path, mode: str, **mounts: str) -> Settings:
    return Settings(
        home=home,
        keystore="vault",
        vault_addr=double.url,
        vault_auth="token",
        vault_token=double.token,
        vault_mode=mode,
        **mounts,
    )


@pytest.mark.parametrize("mode", ["kv", "transit"])
def test_a_complete_set_works_and_says_nothing(mode: str, vault_double: Double, tmp_path: Path) -> None:
    settings = _complete(
        vault_double, tmp_path, mode, vault_kv_mount=vault_double.kv, vault_transit_mount=vault_double.transit
    )
    keys = open_keys(settings, serving=True)
    keys.check()
    assert keys.custodian == f"vault-{mode}"
    assert vault_double.token not in repr(settings) + repr(keys)
    keys.close()
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("mode", ["kv", "transit"])
def test_slashes_around_a_mount_or_path_are_not_part_of_it(mode: str, vault_double: Double, tmp_path: Path) -> None:
    settings = _complete(
        vault_double,
        tmp_path,
        mode,
        vault_kv_mount=f"/{vault_double.kv}/",
        vault_kv_path="/slashed/",
        vault_transit_mount=f"/{vault_double.transit}/",
        vault_auth_mount="/somewhere/",
        audit_signer="vault",
        audit_vault_mount=f"{vault_double.transit}/",
    )
    keys = open_keys(settings)
    keys.create("acme")
    keys.close()
    kept = {"kv": f"{vault_double.kv}/data/slashed/acme/1", "transit": f"{vault_double.transit}/keys/visard-acme"}
    assert vault_double.ask("GET", kept[mode])["data"]
    layout = signing_layout(settings)
    assert layout is not None and layout.mount == vault_double.transit
    assert settings.vault_auth_mount == "somewhere"


@pytest.mark.parametrize(
    ("address", "taken"),
    [
        ("https://vault.example:8200", True),
        ("http://127.0.0.1:8100", True),
        ("http://127.8.8.8:8100", True),
        ("http://[::1]:8100", True),
        ("http://localhost:8100", True),
        ("HTTP://LOCALHOST:8100", True),
        ("http://vault.example:8200", False),
        ("http://vault:8200", False),
        ("http://10.0.0.1:8200", False),
        ("http://localhost.example:8200", False),
        ("http://127.0.0.1@vault.example:8200", False),
        ("http://0.0.0.0:8200", False),
    ],
)
def test_in_production_no_token_travels_in_the_clear(address: str, taken: bool, tmp_path: Path) -> None:
    values = {**VAULT, "home": tmp_path, "vault_addr": address, "vault_auth": "token", "vault_token": "t"}
    open_keys(Settings(**values)).close()
    if taken:
        open_keys(Settings(**values, env="production")).close()
    else:
        with pytest.raises(NotForProduction, match="VISARD_VAULT_ADDR is neither https nor"):
            open_keys(Settings(**values, env="production"))


def test_the_default_is_the_local_keystore(tmp_path: Path) -> None:
    assert isinstance(open_keys(Settings(home=tmp_path / "home")), LocalKeyStore)


def test_vault_and_postgresql_are_fit_for_production(tmp_path: Path) -> None:
    def unfit(**values: Any) -> str:
        return " ".join(embedded_defaults(Settings(home=tmp_path, **values)))

    url, pepper = "postgresql+psycopg://visard@db/visard", "7a" * 32
    assert unfit(keystore="vault", database_url=url, token_pepper=pepper) == ""
    assert "VISARD_TOKEN_PEPPER" in unfit(keystore="vault", database_url=url)
    assert "keystore" in unfit(database_url=url)
    assert "SQLite" in unfit(keystore="vault") and "keystore" not in unfit(keystore="vault")
