"""``visard audit``: lists, exports, and an exit code that auditors can rely on."""

import json
import re
import shutil
import subprocess
from pathlib import Path
from uuid import uuid4

import pytest
from sqlalchemy import Engine

from service.audit.checkpoint import Checkpoint, sign_checkpoint
from service.audit.continuity import StoredHistory
from service.audit.entry import Kind
from service.audit.log import AuditLog
from service.audit.shipping import FileShipper
from service.audit.signing import load_or_create_signing_key, load_signing_key
from service.database.engine import transaction
from service.datastore import open_database
from service.settings import Settings
from tests.audit.ledger import TIME, fill
from tests.commands.visard import visard

_OPERATIONS = Path(__file__).parents[2] / "docs" / "operations.md"


@pytest.fixture
def database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Engine:
    """Five entries of acme and two of globex, as the embedded set-up keeps them."""
    home = tmp_path / "home"
    monkeypatch.setenv("VISARD_HOME", str(home))
    engine = open_database(Settings())
    shipper = FileShipper(tmp_path / "kept", StoredHistory(engine))
    log = AuditLog(engine, load_or_create_signing_key(home / "audit-signing-key.pem"), shipper)
    fill(log, 5)
    fill(log, 2, "globex")
    return engine


def run(*arguments: object) -> int:
    return visard("audit", *arguments)


def spoil(database: Engine, statement: str) -> None:
    with transaction(database) as connection:
        for verb in ("update", "delete"):
            connection.exec_driver_sql(f"DROP TRIGGER IF EXISTS audit_entries_no_{verb}")
        connection.exec_driver_sql(statement)


def test_an_intact_log_exits_zero_and_says_what_it_cannot_know(
    database: Engine, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("verify") == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line for line in lines if "every entry is as it was signed" in line] == [lines[1], lines[3]]
    assert "rollback" in lines[0] and "rollback" in lines[2]
    assert run("verify", "--checkpoint", tmp_path / "kept", "--json") == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer == {
        "intact": True,
        "logs": [{"tenant": "acme", "findings": []}, {"tenant": "globex", "findings": []}],
    }


def test_a_changed_entry_exits_one_and_is_named(database: Engine, capsys: pytest.CaptureFixture[str]) -> None:
    spoil(database, "UPDATE audit_entries SET body = '{}' WHERE tenant = 'acme' AND \"index\" = 2")
    assert run("verify", "--tenant", "acme") == 1
    assert "acme: tampering: entry 2 was changed" in capsys.readouterr().out
    assert run("verify", "--tenant", "globex") == 0
    capsys.readouterr()
    assert run("verify", "--json") == 1
    answer = json.loads(capsys.readouterr().out)
    assert not answer["intact"]
    first = answer["logs"][0]["findings"][0]
    assert (first["severity"], first["code"], first["first"], first["last"]) == ("tampering", "changed", 2, 2)


def test_a_removed_log_is_noticed_by_the_checkpoints_kept_outside(
    database: Engine, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    spoil(database, "DELETE FROM audit_entries WHERE tenant = 'globex'")
    spoil(database, "DELETE FROM audit_heads WHERE tenant = 'globex'")
    assert run("verify") == 0
    assert run("verify", "--checkpoint", tmp_path / "kept") == 1
    assert "globex: tampering: entries 0 to 1 are missing" in capsys.readouterr().out
    assert run("verify", "--checkpoint", tmp_path / "kept" / "acme.checkpoint") == 0


def test_every_checkpoint_kept_of_a_log_is_compared(
    database: Engine, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """As a server leaves them that keeps each of them."""
    signer = load_or_create_signing_key(tmp_path / "home" / "audit-signing-key.pem")
    forgotten = sign_checkpoint(Checkpoint("visard/acme", 3, bytes(32)), signer)
    (tmp_path / "kept" / "acme-3.checkpoint").write_text(forgotten)
    assert run("verify", "--checkpoint", tmp_path / "kept") == 1
    assert "acme: tampering: the first 3 entries are not those" in capsys.readouterr().out


@pytest.mark.parametrize("given", ["globex.checkpoint", "empty"])
def test_a_checkpoint_of_no_log_that_is_verified_is_bad_input(
    given: str, database: Engine, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "kept" / "empty").mkdir()
    assert run("verify", "--tenant", "acme", "--checkpoint", tmp_path / "kept" / given) == 2
    said = capsys.readouterr()
    assert "no checkpoint of a log that is verified" in said.err and "as it was signed" not in said.out
    if given == "empty":
        assert run("verify", "--checkpoint", tmp_path / "kept" / given) == 2


def test_an_export_is_verified_without_database_and_signing_key(
    database: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    export, key = tmp_path / "acme.jsonl", tmp_path / "public.pem"
    assert run("export", "--tenant", "acme", "--out", export) == 0
    assert run("public-key") == 0
    key.write_text(capsys.readouterr().out)
    monkeypatch.setenv("VISARD_HOME", str(tmp_path / "elsewhere"))
    assert run("verify", "--export", export) == 2
    assert "--public-key" in capsys.readouterr().err
    check = ("verify", "--export", export, "--public-key", key, "--checkpoint", tmp_path / "kept" / "acme.checkpoint")
    assert run(*check) == 0
    assert not (tmp_path / "elsewhere").exists()
    assert run(*check, "--tenant", "acme") == 0
    assert run(*check, "--tenant", "globex") == 2
    lines = export.read_text().splitlines()
    assert len(lines) == 6 and json.loads(json.loads(lines[0])["body"])["tenant"] == "acme"
    export.write_text("\n".join([*lines[:2], *lines[3:]]))
    assert run(*check) == 1
    assert "entry 2 is missing" in capsys.readouterr().out
    export.write_text("\n".join(lines).replace("theft", "thaft", 1))
    assert run(*check) == 1
    assert "entry 0 was changed" in capsys.readouterr().out


@pytest.mark.parametrize("keep", [slice(0, 5), slice(5, 6), slice(0, 0)])
def test_what_is_no_whole_export_is_bad_input_or_tampering(
    database: Engine, tmp_path: Path, keep: slice, capsys: pytest.CaptureFixture[str]
) -> None:
    export = tmp_path / "acme.jsonl"
    run("export", "--tenant", "acme", "--out", export)
    lines = export.read_text().splitlines()[keep]
    export.write_text("\n".join(lines))
    assert run("verify", "--export", export) == (1 if keep == slice(5, 6) else 2)
    for junk in ("not json", "[]", '{"tenant": 3}', '{"tenant": "acme", "index": "x"}'):
        export.write_text(junk)
        capsys.readouterr()
        assert run("verify", "--export", export) == 2
        assert "line 1 is not one of an audit export" in capsys.readouterr().err


def test_an_export_names_the_erasures_as_operators_look_for_them(database: Engine, tmp_path: Path) -> None:
    signer = load_signing_key(tmp_path / "home" / "audit-signing-key.pem")
    log, asked = AuditLog(database, signer, FileShipper(tmp_path / "kept", StoredHistory(database))), []
    for detail, result in (("image", "granted"), ("scope-missing", "denied"), ("exact-copy", "granted")):
        asked.append(str(uuid4()))
        what = {"detail": detail, "record": asked[-1], "result": result}
        log.append("hospital", Kind.ERASE, uuid4(), {"record": asked[-1]}, TIME)
        log.append("hospital", Kind.ERASED, uuid4(), what, TIME)
    log.append("hospital", Kind.ERASE, uuid4(), {"reason": '"kind":"erased","result":"granted"'}, TIME)
    assert run("export", "--tenant", "hospital", "--out", tmp_path / "hospital-audit.jsonl") == 0
    (command,) = re.findall(r"^grep .*$", _OPERATIONS.read_text(), re.MULTILINE)
    shell = [shutil.which("sh") or "sh", "-c", command]
    found = subprocess.run(shell, cwd=tmp_path, capture_output=True, text=True, check=True).stdout.splitlines()
    assert [json.loads(json.loads(line)["body"])["record"] for line in found] == [asked[0], asked[2]]


def test_an_export_keeps_a_damaged_body_as_it_is(database: Engine, tmp_path: Path) -> None:
    spoil(database, "UPDATE audit_entries SET body = x'ff00' WHERE tenant = 'acme' AND \"index\" = 1")
    export = tmp_path / "acme.jsonl"
    assert run("export", "--tenant", "acme", "--out", export) == 0
    assert json.loads(export.read_text().splitlines()[1])["body_base64"] == "/wA="
    assert run("verify", "--export", export) == 1


def test_list_prints_the_entries_as_committed(database: Engine, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("list", "--tenant", "globex") == 0
    first, second = map(json.loads, capsys.readouterr().out.splitlines())
    assert (first["kind"], first["reason"], second["result"]) == ("intent", "a theft", "denied")


def test_a_checkpoint_of_another_origin_is_bad_input(
    database: Engine, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    signer = load_or_create_signing_key(tmp_path / "home" / "audit-signing-key.pem")
    (tmp_path / "file").write_text(sign_checkpoint(Checkpoint("other/acme", 5, bytes(32)), signer))
    assert run("verify", "--checkpoint", tmp_path / "file") == 2
    assert "another origin" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["list", "export", "verify"])
def test_a_log_of_nobody_is_refused(command: str, database: Engine, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(command, "--tenant", "nope") == 3
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", "visard: there is no such tenant\n")
    # One who has done nothing yet has an empty log.
    assert visard("tenant", "create", "nope") == 0
    assert run(command, "--tenant", "nope") == 0


@pytest.mark.parametrize(
    "option", [("--checkpoint", b"nonsense"), ("--public-key", b"nonsense"), ("--checkpoint", b"other/acme\n0\n")]
)
def test_unusable_files_are_bad_input(database: Engine, tmp_path: Path, option: tuple[str, bytes]) -> None:
    name, content = option
    (tmp_path / "file").write_bytes(content)
    assert run("verify", name, tmp_path / "file") == 2
