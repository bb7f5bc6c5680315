"""``visard approve``: as over HTTP, by whoever's account types it."""

import json
import os
import pwd
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
import pytest
from PIL import Image
from skimage.data import astronaut

from service.access.approvals import ApprovalStore
from service.assembly import open_parts
from service.audit.stored import stored_log
from service.datastore import open_database
from service.errors import ApprovalMissing
from service.operations.recover import RecoverRequest, recover
from service.settings import Settings
from tests.commands.visard import visard

Run = Callable[..., tuple[int, str, str]]

TENANT = "acme"
ASK = RecoverRequest(tenant=TENANT, subject="court", reason="test")


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Exit code, stdout, stderr."""

    def call(*arguments: object) -> tuple[int, str, str]:
        code = visard(*arguments)
        return code, *capsys.readouterr()

    return call


@pytest.fixture
def image(tmp_path: Path, small_bundle: Path, monkeypatch: pytest.MonkeyPatch, run: Run) -> tuple[Path, str]:
    """An image whose recovery needs a second person, and its record."""
    monkeypatch.setenv("VISARD_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("VISARD_WEIGHTS", str(small_bundle))
    Image.fromarray(np.ascontiguousarray(astronaut()[20:240, 120:320])).save(tmp_path / "photo.png")
    assert run("tenant", "create", TENANT, "--approvals", "once")[0] == 0
    code, out, _ = run("anonymize", tmp_path / "photo.png", tmp_path / "public.png", "--tenant", TENANT, "--json")
    assert code == 0
    return tmp_path / "public.png", json.loads(out)["record"]


def _approvals() -> list[dict[str, Any]]:
    """What the audit log says of approvals."""
    database = open_database(Settings())
    with stored_log(database, TENANT) as log:
        entries = [json.loads(entry.body) for entry in log.entries]
    database.dispose()
    return [entry for entry in entries if entry["kind"] == "approval"]


def test_it_lets_one_recovery_of_somebody_else_happen(image: tuple[Path, str], run: Run, tmp_path: Path) -> None:
    public, record = image
    code, out, err = run("approve", "--tenant", TENANT, "--record", record, "--reason", "warrant 12", "--json")
    assert (code, err) == (0, "")
    made = json.loads(out)
    assert (made["record"], made["case"]) == (record, None)
    assert timedelta() < datetime.fromisoformat(made["expires"]) - datetime.now(UTC) < timedelta(days=1)
    again = ("recover", public, tmp_path / "back.png", "--tenant", TENANT, "--reason", "test")
    code, out, err = run(*again)
    assert code == 3 and "somebody else" in err
    parts = open_parts(Settings())
    assert recover(public.read_bytes(), ASK, parts).verified == "image"
    with pytest.raises(ApprovalMissing):
        recover(public.read_bytes(), ASK, parts)
    (entry,) = _approvals()
    account = pwd.getpwuid(os.getuid()).pw_name
    assert (entry["attempt"], entry["subject"], entry["result"]) == (made["approval"], f"cli:{account}", "granted")
    assert (entry["reason"], entry["record"]) == ("warrant 12", record)


def test_a_case_until_a_date(image: tuple[Path, str], run: Run) -> None:
    until = (datetime.now(UTC) + timedelta(days=30)).isoformat(timespec="seconds")
    code, out, _ = run("approve", "--tenant", TENANT, "--case", "7/26", "--reason", "warrant", "--expires", until)
    assert code == 0 and "case 7/26" in out and until in out
    parts = open_parts(Settings())
    late = ApprovalStore(parts.approvals._engine, lambda: datetime.fromisoformat(until))
    for asked, books in (
        (replace(ASK, case="8/26"), parts),
        (replace(ASK, case="7/26"), replace(parts, approvals=late)),
    ):
        with pytest.raises(ApprovalMissing):
            recover(image[0].read_bytes(), asked, books)
    assert recover(image[0].read_bytes(), replace(ASK, case="7/26"), parts).verified == "image"


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        ([], 2, "one of the two"),
        (["--record", str(uuid4()), "--case", "7/26"], 2, "one of the two"),
        (["--record", "7"], 2, "7"),
        (["--case", "7/26", "--reason", "two\nlines"], 2, "control characters"),
        (["--case", " "], 2, "empty"),
        (["--case", "7/26", "--expires", "400d"], 2, "within a year"),
        (["--case", "7/26", "--expires", "soon"], 2, "soon"),
        (["--case", "7/26", "--tenant", "globex"], 3, "no such tenant"),
        (["--record", str(uuid4())], 3, "no such record"),
    ],
)
def test_what_cannot_be_approved(options: list[str], code: int, words: str, image: tuple[Path, str], run: Run) -> None:
    got, out, err = run("approve", "--tenant", TENANT, "--reason", "warrant", *options)
    assert (got, out) == (code, "")
    assert err.startswith("visard: ") and err.count("\n") == 1 and words in err
    denied = [entry["detail"] for entry in _approvals()]
    assert denied == (["record-unknown"] if words == "no such record" else [])
