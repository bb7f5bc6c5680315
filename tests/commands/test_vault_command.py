"""``visard vault``, as Vault's administrator meets it."""

import base64
from pathlib import Path

import pytest

from service.audit.signing import read_public_pem
from tests.commands.visard import visard
from tests.vault.running import Double


@pytest.fixture
def administrator(vault_double: Double, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Double:
    values = {"VAULT_ADDR": vault_double.url, "VAULT_AUTH": "token", "VAULT_TOKEN": vault_double.token}
    values |= {"HOME": str(tmp_path), "VAULT_MODE": "transit", "VAULT_TRANSIT_MOUNT": f"{vault_double.name}-new"}
    for name, value in values.items():
        monkeypatch.setenv(f"VISARD_{name}", value)
    return vault_double


def test_bootstrap_says_what_it_did_and_may_be_repeated(
    administrator: Double, capsys: pytest.CaptureFixture[str]
) -> None:
    pods = ("--namespace", "visard", "--service-account", "visard")
    assert visard("vault", "bootstrap", *pods) == 0
    first = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in first] == ["mounted", "wrote", "enabled", "wrote", "enabled", "wrote"]
    assert visard("vault", "bootstrap", *pods) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == ["wrote"] * 3
    assert f"{administrator.name}-new/" in administrator.ask("GET", "sys/mounts")["data"]


def test_policies_are_printed_for_the_settings(administrator: Double, capsys: pytest.CaptureFixture[str]) -> None:
    assert visard("vault", "policy", "shredder") == 0
    assert f'path "{administrator.name}-new/keys/+/trim"' in capsys.readouterr().out


def test_the_key_of_the_audit_log_is_made_and_its_public_key_shown(
    administrator: Double, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    mount = f"{administrator.name}-log"
    monkeypatch.setenv("VISARD_AUDIT_SIGNER", "vault")
    monkeypatch.setenv("VISARD_AUDIT_VAULT_MOUNT", mount)
    assert visard("audit", "public-key") == 1
    assert capsys.readouterr().err.count("\n") == 1
    assert visard("vault", "bootstrap") == 0
    assert f"made the key checkpoints in {mount}" in capsys.readouterr().out
    assert visard("audit", "public-key") == 0
    shown = read_public_pem(capsys.readouterr().out.encode())
    named = administrator.ask("GET", f"{mount}/keys/checkpoints")["data"]["keys"]["1"]["public_key"]
    assert shown == base64.b64decode(named)
    assert visard("vault", "policy", "signer") == 0
    assert f'path "{mount}/sign/checkpoints"' in capsys.readouterr().out
    assert not list(tmp_path.rglob("*.pem"))


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        ("policy king", 2, "king"),
        ("policy signer", 2, "VISARD_AUDIT_SIGNER"),
        ("bootstrap --namespace visard", 2, "both"),
        ("bootstrap --name a", 1, "credentials"),
    ],
)
def test_errors_are_one_line_and_an_exit_code(
    arguments: str,
    code: int,
    words: str,
    administrator: Double,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("VISARD_VAULT_TOKEN", "wrong")
    assert visard("vault", *arguments.split(" ")) == code
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("visard: ") and captured.err.count("\n") == 1
    assert words in captured.err
