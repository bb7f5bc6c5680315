"""Settings: where they come from, what is refused, and the page that lists them."""

import os
from pathlib import Path
from unittest.mock import patch

import pytest

from service.access.principal import Scope
from service.access.refusal import TokenRefused
from service.administration import open_access
from service.commands.settings import settings_table
from service.environment import variable
from service.errors import SettingsInvalid
from service.settings import Settings
from tests.commands.visard import visard
from tests.given import given, take

PAGE = Path(__file__).parents[2] / "docs" / "settings.md"


def test_the_committed_page_is_current(capsys: pytest.CaptureFixture[str]) -> None:
    assert visard("settings") == 0
    assert capsys.readouterr().out == PAGE.read_text(), "run: visard settings > docs/settings.md"


def test_the_page_explains_every_setting() -> None:
    rows = {row.split("`")[1]: row for row in settings_table().splitlines() if row.startswith("| `")}
    assert set(rows) == {variable(name) for name in Settings.model_fields}
    for row in rows.values():
        value, default, meaning = (cell.strip() for cell in row.split("|")[2:5])
        assert value and meaning.endswith("."), row
        assert "secret" not in value or not default


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("VISARD_FROBNICATE", "1", "no setting VISARD_FROBNICATE"),
        ("visard_frobnicate", "1", "no setting VISARD_FROBNICATE"),
        ("VISARD_PORT_FILE", "/dev/null", "no setting VISARD_PORT_FILE"),
        ("VISARD_PORT", "70000", "VISARD_PORT"),
        ("VISARD_ENV", "hunter2", "VISARD_ENV"),
        ("VISARD_TEST_POSTGRES_URI", "hunter2", "VISARD_TEST_POSTGRES_URI"),
        ("VISARD_ADMITTED", "0", "VISARD_ADMITTED"),
        ("VISARD_DRAIN_DELAY", "inf", "VISARD_DRAIN_DELAY"),
        ("VISARD_OIDC_ISSUER", "https://login.example", "VISARD_OIDC_JWKS_URL: set all of them or none"),
        ("VISARD_OIDC_JWKS_URL", "http://login.example/hunter2", "HTTPS"),
        ("VISARD_OIDC_JWKS_URL", "file:///etc/hunter2", "HTTPS"),
        ("VISARD_OIDC_ALGORITHMS", "RS256 HS256", "VISARD_OIDC_ALGORITHMS"),
        ("VISARD_OIDC_ALGORITHMS", "none", "VISARD_OIDC_ALGORITHMS"),
        ("VISARD_OIDC_ALGORITHMS", " ", "VISARD_OIDC_ALGORITHMS"),
        ("VISARD_TOKEN_PEPPER", "hunter2", "VISARD_TOKEN_PEPPER"),
        ("VISARD_TOKEN_PEPPER_FILE", "/nowhere/hunter2", "VISARD_TOKEN_PEPPER_FILE"),
    ],
)
def test_settings_that_are_unknown_or_wrong(name: str, value: str, words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsInvalid, match=words) as raised:
        Settings()
    assert "hunter2" not in str(raised.value)


@pytest.mark.parametrize("name", ["VISARD_TEST_POSTGRES_URL", "VISARD_TEST_VAULT_ADDR", "VISARD_TEST_VAULT_TOKEN"])
def test_what_is_for_tests_is_kept_from_the_service(name: str) -> None:
    with patch.dict(os.environ, {name: "hunter2"}):
        take()
        assert given(name) == "hunter2"
        Settings()


def test_settings_that_are_right(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VISARD_QUEUE_LIMIT", "3")
    monkeypatch.setenv("VISARD_WEIGHTS", "")
    monkeypatch.setenv("VISARD_OIDC_ALGORITHMS", "EdDSA  ES384")
    settings = Settings()
    assert (settings.queue_limit, settings.weights, settings.oidc_algorithms) == (3, None, ("EdDSA", "ES384"))


def test_a_secret_may_stand_in_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    secret = tmp_path / "url"
    secret.write_text("sqlite:///hunter2\n")
    monkeypatch.setenv("VISARD_DATABASE_URL_FILE", str(secret))
    settings = Settings()
    assert settings.database_url is not None
    assert settings.database_url.get_secret_value() == "sqlite:///hunter2"
    assert "hunter2" not in repr(settings) + str(settings.model_dump())


@pytest.mark.parametrize("content", [b"", b"\n", b"\xff\xfe", b"x" * (1 << 17)])
def test_a_file_that_holds_no_secret(content: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    secret = tmp_path / "url"
    secret.write_bytes(content)
    monkeypatch.setenv("VISARD_DATABASE_URL_FILE", str(secret))
    with pytest.raises(SettingsInvalid, match="VISARD_DATABASE_URL_FILE"):
        Settings()


def test_a_secret_given_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    secret = tmp_path / "url"
    secret.write_text("sqlite:///a")
    monkeypatch.setenv("VISARD_DATABASE_URL_FILE", str(secret))
    monkeypatch.setenv("VISARD_DATABASE_URL", "sqlite:///b")
    with pytest.raises(SettingsInvalid, match="both set"):
        Settings()


def test_replicas_with_one_pepper_know_each_others_tokens(tmp_path: Path) -> None:
    def replica(pepper: str) -> Settings:
        url = f"sqlite:///{tmp_path / 'shared.db'}"
        return Settings(home=tmp_path / "home", database_url=url, token_pepper=pepper)

    with open_access(Settings(home=tmp_path)) as access:
        access.tenants.create("acme")
    (tmp_path / "visard.db").rename(tmp_path / "shared.db")
    with open_access(replica("ab" * 32)) as access:
        token = access.tokens.create("acme", "alice", [Scope.AUDIT])[1]
    with open_access(replica("AB" * 32)) as access:
        assert access.tokens.authenticate(token).subject == "alice"
    with open_access(replica("cd" * 32)) as access, pytest.raises(TokenRefused):
        access.tokens.authenticate(token)
    assert not (tmp_path / "home" / "token-pepper").exists()
