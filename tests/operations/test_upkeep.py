"""Upkeep: what died is closed, what expired is deleted, again and again."""

import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from sqlalchemy import update

from service.access.approvals import Approval
from service.administration import open_books
from service.audit.entry import RecoveryAttempt
from service.database.engine import transaction
from service.database.tables import audit_heads
from service.datastore import open_database
from service.errors import AuditTampered, DatabaseUnavailable
from service.operations.upkeep import Tidied, Upkeep, in_turn, tidy
from service.records.store import StoredRecord
from service.settings import Settings
from tests.audit.ledger import bodies

PATIENCE_S = 60
RECORD = StoredRecord(
    id=uuid4(),
    tenant="acme",
    custodian="local",
    key_version=1,
    created=datetime.now(UTC),
    pixels_digest=bytes(32),
    record=b"r",
)


def attempt(lease: timedelta, tenant: str = "acme") -> RecoveryAttempt:
    return RecoveryAttempt(
        id=uuid4(),
        tenant=tenant,
        subject="alice",
        reason="a theft",
        case=None,
        record=None,
        image_digest=bytes(32),
        request=None,
        client=None,
        time=datetime.now(UTC) - timedelta(minutes=5),
        lease=lease,
    )


def test_dead_attempts_are_closed_and_expired_records_deleted(tmp_path: Path) -> None:
    now = datetime.now(UTC)
    with open_books(Settings(home=tmp_path / "home")) as books:
        audit, records = books.audit, books.records
        for lease in (timedelta(minutes=1), timedelta(hours=1)):
            audit.intend(attempt(lease))
        for expires in (now, now + timedelta(hours=1)):
            records.add(replace(RECORD, id=uuid4(), expires=expires))
        assert tidy(audit, records) == Tidied(interrupted=1, expired=1)
        assert tidy(audit, records) == Tidied(interrupted=0, expired=0)
        assert [said["kind"] for said in bodies(audit._engine)] == ["intent", "intent", "outcome"]


def test_a_damaged_log_holds_up_nothing_else(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path / "home")
    now = datetime.now(UTC)
    with open_books(settings) as books:
        audit, records = books.audit, books.records
        for tenant in ("acme", "globex"):
            audit.intend(attempt(timedelta(minutes=1), tenant))
        database = open_database(settings)
        with transaction(database) as connection:
            connection.execute(update(audit_heads).where(audit_heads.c.tenant == "acme").values(edge=bytes(32)))
        database.dispose()
        records.add(replace(RECORD, expires=now))
        with pytest.raises(AuditTampered):
            tidy(audit, records)
        assert [said["kind"] for said in bodies(audit._engine, "globex")] == ["intent", "outcome"]
        assert len(bodies(audit._engine)) == 1
        assert records.purge_expired() == 0


def test_what_a_dead_attempt_claimed_is_given_back(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path / "home")
    dead, record, now = attempt(timedelta(minutes=1)), uuid4(), datetime.now(UTC)
    with open_books(settings) as books:
        expires = now + timedelta(hours=1)
        given = Approval(
            id=uuid4(), tenant="acme", subject="judge", record=record, case=None, created=now, expires=expires
        )
        books.approvals.add(given)

        def claim(by: UUID) -> UUID | None:
            return books.approvals.claim("acme", record=record, case=None, but="alice", attempt=by, once=True)

        books.audit.intend(dead)
        assert claim(dead.id) == given.id
        assert claim(uuid4()) is None
        assert tidy(books.audit, books.records).interrupted == 1
        assert claim(uuid4()) == given.id


def test_it_is_done_again_whatever_happened(caplog: pytest.LogCaptureFixture) -> None:
    times, often = iter(range(100)), threading.Event()

    def call() -> None:
        match next(times):
            case 0:
                raise DatabaseUnavailable("away")
            case 1:
                raise RuntimeError("password=hunter2")
            case 2:
                often.set()

    upkeep = Upkeep(call, every_s=0.001)
    upkeep.start()
    assert often.wait(PATIENCE_S)
    upkeep.close()
    assert "DatabaseUnavailable" in caplog.text and "RuntimeError" in caplog.text
    assert "hunter2" not in caplog.text


def test_what_is_stopped_takes_no_step_more(tmp_path: Path) -> None:
    taken: list[int] = []
    in_turn(*(partial(taken.append, number) for number in range(9)), stopped=lambda: len(taken) == 2)
    assert taken == [0, 1]
    with open_books(Settings(home=tmp_path / "home")) as books:
        for _ in range(3):
            books.audit.intend(attempt(timedelta(minutes=1)))
        closed: list[None] = []
        done = tidy(books.audit, books.records, lambda: closed.append(None), stopped=lambda: len(closed) == 2)
        assert done.interrupted == 2
        assert tidy(books.audit, books.records).interrupted == 1


def test_a_step_that_hangs_is_not_waited_for() -> None:
    begun, end, closed = threading.Event(), threading.Event(), threading.Event()

    def hang() -> None:
        begun.set()
        end.wait(PATIENCE_S)

    upkeep = Upkeep(hang, every_s=1, longest_s=0.05)
    upkeep.start()
    assert begun.wait(PATIENCE_S)
    assert not upkeep.closed
    threading.Thread(target=lambda: (upkeep.close(), closed.set())).start()
    try:
        assert closed.wait(PATIENCE_S / 2)
        assert upkeep.closed
    finally:
        end.set()


def test_what_was_not_started_can_be_closed() -> None:
    Upkeep(lambda: None, every_s=1).close()
