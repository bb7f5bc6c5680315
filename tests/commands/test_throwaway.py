"""What measures opens nothing of the installation that the environment names."""

from pathlib import Path

import pytest

from service.commands.throwaway import throwaway_parts
from service.errors import NoFaces
from service.keys.local import LocalKeyStore
from service.operations.anonymize import AnonymizeRequest, anonymize
from service.operations.recover import RecoverRequest, recover
from service.settings import Settings
from tests.commands.visard import visard

TENANT = "evaluation"
PARTS = {
    "VISARD_KEYSTORE": "vault",
    "VISARD_AUDIT_SIGNER": "vault",
    "VISARD_AUDIT_CHECKPOINT_URL": "https://127.0.0.1:9",
    "VISARD_DATABASE_URL": "postgresql+psycopg://127.0.0.1:9/visard",
    "VISARD_ENGINE": "ray",
    "VISARD_KEYSTORE_PASSPHRASE": "correct horse battery staple",
}
"""None of them can be reached."""


@pytest.fixture
def home(tmp_path: Path, small_bundle: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("VISARD_ENV", "production")
    monkeypatch.setenv("VISARD_VAULT_ADDR", "https://127.0.0.1:9")
    monkeypatch.setenv("VISARD_VAULT_AUTH", "token")
    monkeypatch.setenv("VISARD_VAULT_TOKEN", "t")
    monkeypatch.setenv("VISARD_VAULT_RETRIES", "0")
    monkeypatch.setenv("VISARD_WEIGHTS", str(small_bundle))
    monkeypatch.setenv("VISARD_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.mark.parametrize("part", PARTS)
def test_throwaway_parts(
    part: str, home: Path, small_bundle: Path, photo: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(part, PARTS[part])
    with throwaway_parts() as (parts, folder):
        parts.keys.create(TENANT)
        made = anonymize(photo, AnonymizeRequest(tenant=TENANT), parts)
        back = recover(made.data, RecoverRequest(tenant=TENANT, subject="t", reason="test"), parts)
        assert back.verified == "image"
        assert parts.bundles.default.directory == small_bundle
        assert LocalKeyStore(folder / "keys").versions(TENANT)
        parts.engine.close()
    assert not folder.exists()
    assert not home.exists()


def test_what_is_drawn_with_is_what_the_environment_says(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VISARD_MAX_PIXELS", "1234")
    monkeypatch.setenv("VISARD_MAX_UPLOAD_BYTES", "123")
    monkeypatch.setenv("VISARD_MAX_FACES", "12")
    with throwaway_parts() as (parts, _):
        assert (parts.limits.max_pixels, parts.limits.max_bytes, parts.max_faces) == (1234, 123, 12)
    assert not home.exists()


@pytest.mark.parametrize("command", ["bench", "roundtrip", "realism", "lfw"])
def test_the_commands_use_them(command: str, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[Settings] = []

    def stop(settings: Settings) -> None:
        opened.append(settings)
        raise NoFaces("enough")

    monkeypatch.setattr("service.commands.throwaway.open_parts", stop)
    for name, value in PARTS.items():
        monkeypatch.setenv(name, value)
    arguments = ["bench"] if command == "bench" else ["evaluate", command, "--data", tmp_path]
    assert visard(*arguments) == 2
    (settings,) = opened
    assert (settings.keystore, settings.audit_signer, settings.engine) == ("local", "file", "local")
    secrets = settings.keystore_passphrase, settings.audit_checkpoint_url, settings.database_url
    assert secrets == (None, None, None)
    assert not home.exists()
