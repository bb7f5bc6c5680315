"""``visard keys``, as an operator meets it, on every custodian."""

import dataclasses
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from click.testing import CliRunner

from service.administration import open_custody
from service.commands.keys import keys as keys_command
from service.commands.operator import operator
from service.custodian import Custodian
from service.records.store import RecordStore, StoredRecord
from service.settings import Settings
from tests.audit.ledger import bodies
from tests.commands.visard import visard
from tests.vault.running import PATH, PREFIX, Double

CUSTODIANS: list[Custodian] = ["local", "vault-kv", "vault-transit"]


@pytest.fixture(params=CUSTODIANS)
def custodian(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Custodian:
    """The environment of an installation with this custodian."""
    found: Custodian = request.param
    monkeypatch.setenv("VISARD_HOME", str(tmp_path / "home"))
    if found == "local":
        return found
    vault: Double = request.getfixturevalue("vault_double")
    values = {
        "KEYSTORE": "vault",
        "VAULT_ADDR": vault.url,
        "VAULT_AUTH": "token",
        "VAULT_TOKEN": vault.token,
        "VAULT_MODE": found.removeprefix("vault-"),
        "VAULT_KV_MOUNT": vault.kv,
        "VAULT_KV_PATH": PATH,
        "VAULT_TRANSIT_MOUNT": vault.transit,
        "VAULT_TRANSIT_PREFIX": PREFIX,
        "VAULT_TIMEOUT": "10",
    }
    for name, value in values.items():
        monkeypatch.setenv(f"VISARD_{name}", value)
    return found


@pytest.fixture
def tenant(custodian: Custodian) -> str:
    name = f"t{uuid4().hex}"
    assert visard("tenant", "create", name) == 0
    return name


def store(tenant: str, custodian: Custodian, *versions: int) -> None:
    """A record for each."""
    row = StoredRecord(
        id=uuid4(),
        tenant=tenant,
        custodian=custodian,
        key_version=1,
        created=datetime.now(UTC),
        pixels_digest=b"d" * 32,
        record=b"record",
    )
    with open_custody(Settings()) as custody:
        records: RecordStore = custody.records
        for version in versions:
            records.add(dataclasses.replace(row, id=uuid4(), key_version=version))


def listed(tenant: str, capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    capsys.readouterr()
    assert visard("keys", "list", "--tenant", tenant, "--json") == 0
    found: list[dict[str, Any]] = json.loads(capsys.readouterr().out)["keys"]
    return found


def entries(tenant: str) -> list[dict[str, Any]]:
    with open_custody(Settings()) as custody:
        return bodies(custody.audit._engine, tenant)


def test_keys_are_listed_and_rotated(custodian: Custodian, tenant: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert visard("keys", "rotate", "--tenant", tenant) == 0
    store(tenant, custodian, 1, 1, 2)
    store(tenant, "local" if custodian == "vault-kv" else "vault-kv", 1)
    found = listed(tenant, capsys)
    assert [(one["version"], one["state"], one["images"]) for one in found] == [(1, "kept", 2), (2, "current", 1)]
    assert all(datetime.fromisoformat(one["created"]).tzinfo for one in found)
    assert visard("keys", "list", "--tenant", tenant) == 0
    assert [line.split()[2] for line in capsys.readouterr().out.splitlines()] == ["kept", "current"]


def test_destruction_asks_reports_and_is_audited(
    custodian: Custodian, tenant: str, capsys: pytest.CaptureFixture[str]
) -> None:
    visard("keys", "rotate", "--tenant", tenant)
    store(tenant, custodian, 1, 1, 2)
    arguments = ["destroy", "--tenant", tenant, "--version", "1", "--reason", "case 4711"]
    for answer, code in (("n\n", 3), ("", 1)):
        asked = CliRunner().invoke(keys_command, arguments, input=answer)
        assert asked.exit_code == code and "2 images can then never be recovered" in asked.output
        assert ("nothing was destroyed" in asked.output) == (code == 3)
    assert [one["state"] for one in listed(tenant, capsys)] == ["kept", "current"]
    assert entries(tenant) == []
    done = CliRunner().invoke(keys_command, arguments, input="y\n")
    assert done.exit_code == 0 and "version 1 is destroyed: 2 images" in done.output
    assert [one["state"] for one in listed(tenant, capsys)] == ["destroyed", "current"]
    asked_for, destroyed = entries(tenant)
    assert (asked_for["kind"], destroyed["kind"]) == ("key-destruction", "key-destroyed")
    assert asked_for["attempt"] == destroyed["attempt"]
    assert (asked_for["reason"], asked_for["subject"]) == ("case 4711", operator())
    for entry in (asked_for, destroyed):
        assert (entry["custodian"], entry["key_version"], entry["images"]) == (custodian, 1, 2)
    assert visard(*("keys", *arguments)) == 0
    assert "nothing to do" in capsys.readouterr().out
    assert len(entries(tenant)) == 2


def test_several_are_destroyed_from_the_oldest(
    custodian: Custodian, tenant: str, capsys: pytest.CaptureFixture[str]
) -> None:
    for _ in range(3):
        visard("keys", "rotate", "--tenant", tenant)
    capsys.readouterr()
    assert visard("keys", "destroy", "--tenant", tenant, "--up-to", 3, "--yes", "--json") == 0
    told = json.loads(capsys.readouterr().out)["destroyed"]
    assert [one["version"] for one in told] == [1, 2, 3]
    assert [one["state"] for one in listed(tenant, capsys)] == ["destroyed"] * 3 + ["current"]


def test_what_a_custodian_cannot_destroy_is_refused_with_the_reason(
    custodian: Custodian, tenant: str, capsys: pytest.CaptureFixture[str]
) -> None:
    visard("keys", "rotate", "--tenant", tenant)
    capsys.readouterr()
    code = visard("keys", "destroy", "--tenant", tenant, "--version", 2, "--yes")
    err = capsys.readouterr().err
    if custodian == "vault-transit":
        assert code == 3 and "version 1 comes first" in err
        assert [one["state"] for one in listed(tenant, capsys)] == ["kept", "current"]
        assert [entry["kind"] for entry in entries(tenant)] == ["key-destruction"]
    else:
        assert code == 0
        assert [one["state"] for one in listed(tenant, capsys)] == ["kept", "destroyed"]


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        ("list --tenant nobody", 3, "no key"),
        ("rotate --tenant nobody", 3, "no key"),
        ("destroy --tenant nobody --version 1 --yes", 3, "no key"),
        ("destroy --tenant {tenant} --version 9 --yes", 3, "no such key version"),
        ("destroy --tenant {tenant} --up-to 9 --yes", 3, "no such key version"),
        ("destroy --tenant {tenant} --yes", 2, "either"),
        ("destroy --tenant {tenant} --yes --version 1 --up-to 1", 2, "either"),
        ("destroy --tenant {tenant} --yes --version 0", 2, "0"),
        ("destroy --tenant {tenant} --yes --version 1 --reason ", 2, "reason"),
        ("list --tenant A/B", 2, "tenant name"),
    ],
)
def test_errors_are_one_line_and_an_exit_code(
    arguments: str, code: int, words: str, tenant: str, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    assert visard("keys", *arguments.format(tenant=tenant).split(" ")) == code
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("visard: ") and captured.err.count("\n") == 1
    assert words in captured.err
    assert entries(tenant) == []


@pytest.fixture
def protected(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A tenant whose keys are under the passphrase ``first``."""
    monkeypatch.setenv("VISARD_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("VISARD_KEYSTORE_PASSPHRASE", "first")
    assert visard("tenant", "create", "acme") == 0
    return "acme"


@pytest.mark.parametrize("asked", [True, False])
def test_the_passphrase_is_changed(
    asked: bool, protected: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (file := tmp_path / "new").write_text("second\n")
    typed = CliRunner().invoke(
        keys_command, ["passphrase", *([] if asked else ["--file", str(file)])], input="second\nsecond\n"
    )
    assert typed.exit_code == 0 and "second" not in typed.output
    assert visard("keys", "rotate", "--tenant", protected) == 1
    monkeypatch.setenv("VISARD_KEYSTORE_PASSPHRASE", "second")
    assert visard("keys", "rotate", "--tenant", protected) == 0


def test_what_is_no_new_passphrase_changes_nothing(
    protected: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (empty := tmp_path / "empty").write_text("\n")
    assert visard("keys", "passphrase", "--file", empty) == visard("keys", "passphrase", "--file", tmp_path) == 2
    assert CliRunner().invoke(keys_command, ["passphrase"], input="second\nthird\n").exit_code == 1
    monkeypatch.setenv("VISARD_KEYSTORE_PASSPHRASE", "wrong")
    (file := tmp_path / "new").write_text("second")
    capsys.readouterr()
    assert visard("keys", "passphrase", "--file", file) == 1
    assert "does not open with this passphrase" in capsys.readouterr().err
    monkeypatch.setenv("VISARD_KEYSTORE_PASSPHRASE", "first")
    assert visard("keys", "rotate", "--tenant", protected) == 0


def test_vault_has_no_passphrase(vault_double: Double, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name, value in {"HOME": tmp_path, "KEYSTORE": "vault", "VAULT_ADDR": vault_double.url}.items():
        monkeypatch.setenv(f"VISARD_{name}", str(value))
    monkeypatch.setenv("VISARD_VAULT_AUTH", "token")
    monkeypatch.setenv("VISARD_VAULT_TOKEN", vault_double.token)
    assert visard("keys", "passphrase", "--file", tmp_path) == 2
