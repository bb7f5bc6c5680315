"""``visard vault``, as Vault's administrator meets it."""

from pathlib import Path

import pytest

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


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        ("policy king", 2, "king"),
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
