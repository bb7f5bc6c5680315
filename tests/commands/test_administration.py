"""``visard tenant``, ``token`` and ``migrate``, as an administrator meets them."""

import json
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from service import cli
from service.access.principal import Principal, Scope
from service.access.refusal import TokenRefused
from service.administration import Access, open_access
from service.errors import KeyDestroyed
from service.settings import Settings


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("VISARD_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def access() -> Iterator[Access]:
    """What the command line works on, seen from inside."""
    with open_access(Settings()) as opened:
        yield opened


@pytest.fixture
def visard(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Any:
    """Run ``visard ARGUMENTS`` in this process; returns exit code, stdout, stderr."""

    def run(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["visard", *map(str, arguments)])
        with pytest.raises(SystemExit) as stop:
            cli.main()
        captured = capsys.readouterr()
        return int(stop.value.code or 0), captured.out, captured.err

    return run


def listed(visard: Any, kind: str, *options: str) -> list[dict[str, Any]]:
    code, out, _ = visard(kind, "list", "--json", *options)
    assert code == 0
    found: list[dict[str, Any]] = json.loads(out)[f"{kind}s"]
    return found


def make_token(visard: Any, *options: str) -> str:
    code, out, err = visard("token", "create", "--tenant", "acme", "--subject", "alice", "--scope", "recover", *options)
    assert (code, err, out.count("\n")) == (0, "", 1)
    return str(out).strip()


def test_a_tenant_comes_with_a_key(visard: Any, access: Access) -> None:
    assert visard("tenant", "create", "acme")[0] == 0
    assert access.keys.current_version("acme") == 1


def test_tenants_are_made_changed_and_listed(visard: Any) -> None:
    assert listed(visard, "tenant") == []
    assert visard("tenant", "create", "globex", "--seal", "off")[0] == 0
    assert visard("tenant", "create", "acme")[0] == 0
    assert visard("tenant", "set", "acme", "--seal", "embed")[0] == 0
    found = listed(visard, "tenant")
    assert [(tenant["name"], tenant["seal"]) for tenant in found] == [("acme", "embed"), ("globex", "off")]
    assert datetime.fromisoformat(found[0]["created"]).tzinfo is not None
    code, out, _ = visard("tenant", "list")
    assert (code, [line.split()[0] for line in out.splitlines()]) == (0, ["acme", "globex"])


def test_what_a_tenant_has_chosen_is_changed_piece_by_piece(visard: Any) -> None:
    assert visard("tenant", "create", "acme", "--erasable", "--expires-after", "30d", "--seal", "off")[0] == 0
    (made,) = listed(visard, "tenant")
    created = made.pop("created")
    chosen = {"name": "acme", "seal": "off", "erasable": True, "irreversible": False, "approvals": "none"}
    assert made == {**chosen, "expires_after_s": 30 * 86400}
    for options, change in (
        (("--expires-after", "never"), {"expires_after_s": None}),
        (("--approvals", "once"), {"approvals": "once"}),
        (("--not-erasable",), {"erasable": False}),
        (("--approvals", "none"), {"approvals": "none"}),
        (("--irreversible",), {"irreversible": True}),
    ):
        assert visard("tenant", "set", "acme", *options)[0] == 0
        made |= change
        assert listed(visard, "tenant") == [{**made, "created": created}]
    assert "irreversible" in visard("tenant", "list")[1]


def test_tidy_says_what_it_did(visard: Any) -> None:
    assert visard("tidy")[:2] == (0, "0 interrupted attempts closed, 0 expired records deleted\n")


def test_a_tenant_whose_key_was_destroyed_is_not_made_anew(visard: Any, access: Access) -> None:
    access.keys.create("acme")
    access.keys.destroy("acme", 1)
    assert visard("tenant", "create", "acme")[0] == 3
    assert listed(visard, "tenant") == []
    with pytest.raises(KeyDestroyed):
        access.keys.current_version("acme")


def test_the_printed_token_works_until_it_is_revoked(visard: Any, access: Access) -> None:
    visard("tenant", "create", "acme")
    token = make_token(visard, "--scope", "audit")
    assert access.tokens.authenticate(token) == Principal("alice", "acme", frozenset({Scope.RECOVER, Scope.AUDIT}))
    (info,) = listed(visard, "token")
    assert (info["tenant"], info["subject"], info["scopes"]) == ("acme", "alice", ["audit", "recover"])
    assert (info["expires"], info["revoked"]) == (None, None)
    assert visard("token", "revoke", info["id"])[0] == 0
    with pytest.raises(TokenRefused):
        access.tokens.authenticate(token)
    assert listed(visard, "token")[0]["revoked"] is not None


def test_lists_show_no_token(visard: Any) -> None:
    visard("tenant", "create", "acme")
    token = make_token(visard)
    out = visard("token", "list")[1] + visard("token", "list", "--json")[1]
    assert "alice" in out
    assert token.removeprefix("visard_") not in out


def test_tokens_of_one_tenant_are_listed(visard: Any) -> None:
    visard("tenant", "create", "acme")
    visard("tenant", "create", "globex")
    make_token(visard)
    make_token(visard, "--tenant", "globex", "--subject", "bob")
    assert [info["subject"] for info in listed(visard, "token")] == ["alice", "bob"]
    assert [info["subject"] for info in listed(visard, "token", "--tenant", "globex")] == ["bob"]


@pytest.mark.parametrize(
    ("text", "length"), [("30d", timedelta(days=30)), ("12h", timedelta(hours=12)), ("99999d", timedelta(days=99999))]
)
def test_a_length_of_time_counts_from_now(text: str, length: timedelta, visard: Any, access: Access) -> None:
    visard("tenant", "create", "acme")
    before = datetime.now(UTC)
    make_token(visard, "--expires", text)
    (info,) = access.tokens.list()
    assert info.expires is not None
    assert before + length <= info.expires <= datetime.now(UTC) + length


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("2999-12-31", datetime(2999, 12, 31, tzinfo=UTC)),
        ("2999-12-31T06:00", datetime(2999, 12, 31, 6, tzinfo=UTC)),
        ("2999-12-31T06:00+02:00", datetime(2999, 12, 31, 4, tzinfo=UTC)),
    ],
)
def test_a_date_is_an_instant(text: str, instant: datetime, visard: Any, access: Access) -> None:
    visard("tenant", "create", "acme")
    make_token(visard, "--expires", text)
    assert [info.expires for info in access.tokens.list()] == [instant]


@pytest.mark.parametrize(
    ("command", "code", "words"),
    [
        ("tenant create Not/A/Name", 2, "tenant name"),
        ("tenant create acme", 3, "already"),
        ("tenant create globex --seal glue", 2, "glue"),
        ("tenant set acme", 2, "--seal"),
        ("tenant set acme --irreversible --erasable", 2, "nothing to erase"),
        ("tenant set acme --expires-after 1h", 2, "erasable can expire"),
        ("tenant create globex --erasable --expires-after soon", 2, "soon"),
        ("tenant create globex --erasable --expires-after 0h", 2, "second"),
        ("tenant set globex --seal off", 3, "no such tenant"),
        ("token create --tenant acme --subject alice", 2, "--scope"),
        ("token create --tenant acme --subject alice --scope reign", 2, "reign"),
        ("token create --tenant globex --subject alice --scope audit", 3, "no such tenant"),
        ("token create --tenant acme --subject a\u0007 --scope audit", 2, "control characters"),
        ("token create --tenant acme --subject alice --scope audit --expires 3w", 2, "3w"),
        ("token create --tenant acme --subject alice --scope audit --expires 2020-01-01", 2, "future"),
        ("token create --tenant acme --subject alice --scope audit --expires 0001-01-01T00:00+14:00", 2, "neither"),
        ("token list --tenant globex", 3, "no such tenant"),
        ("token revoke 7", 2, "7"),
        ("token revoke 7d0f5ad6-3f6e-4c58-9d5e-0a1d2b3c4d5e", 3, "no token"),
    ],
)
def test_errors_are_one_line_and_an_exit_code(command: str, code: int, words: str, visard: Any) -> None:
    visard("tenant", "create", "acme")
    before = listed(visard, "tenant"), listed(visard, "token")
    got, out, err = visard(*command.split(" "))
    assert (got, out) == (code, "")
    assert err.startswith("visard: ")
    assert err.count("\n") == 1
    assert words in err
    assert (listed(visard, "tenant"), listed(visard, "token")) == before


def test_migrate_says_what_it_did(visard: Any) -> None:
    code, out, _ = visard("migrate")
    assert (code, out.split(":")[0]) == (0, "applied 0001")
    assert visard("migrate")[1] == "nothing to do: the database is up to date\n"


@pytest.mark.parametrize("kind", ["sqlite_url", "postgres_url"])
def test_a_configured_database_is_used_once_it_was_migrated(
    kind: str, request: pytest.FixtureRequest, visard: Any, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VISARD_DATABASE_URL", request.getfixturevalue(kind))
    code, out, err = visard("tenant", "create", "acme")
    assert (code, out) == (1, "")
    assert "visard migrate" in err
    assert visard("migrate")[0] == 0
    assert visard("tenant", "create", "acme")[0] == 0
    token = make_token(visard)
    with open_access(Settings()) as access:
        assert access.tokens.authenticate(token).tenant == "acme"
    assert not (home / "visard.db").exists()


@pytest.mark.parametrize("configured", [False, True])
def test_nothing_but_a_newer_version_opens_what_it_has_migrated(
    configured: bool, visard: Any, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = home / "visard.db"
    if configured:
        file = tmp_path / "configured.db"
        monkeypatch.setenv("VISARD_DATABASE_URL", f"sqlite:///{file}")
    assert visard("migrate")[0] == 0
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    for command in (["migrate"], ["tenant", "create", "acme"]):
        code, out, err = visard(*command)
        assert (code, out) == (1, "")
        assert "run that version" in err and "visard migrate" not in err


def test_the_database_url_is_a_secret(visard: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VISARD_DATABASE_URL", "postgresql+psycopg://visard:hunter2@localhost:1/visard")
    assert "hunter2" not in repr(Settings())
    code, out, err = visard("migrate")
    assert (code, out) == (1, "")
    assert "cannot be reached" in err
    assert "hunter2" not in err
