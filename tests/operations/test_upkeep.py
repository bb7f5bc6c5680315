"""Upkeep: what died is closed, what expired is deleted, again and again."""

import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest

from service.assembly import open_upkeep
from service.audit.entry import RecoveryAttempt
from service.errors import DatabaseUnavailable
from service.operations.upkeep import Tidied, Upkeep, tidy
from service.records.store import StoredRecord
from service.settings import Settings

PATIENCE_S = 60


def attempt(lease: timedelta) -> RecoveryAttempt:
    return RecoveryAttempt(
        id=uuid4(),
        tenant="acme",
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
    record = StoredRecord(
        id=uuid4(),
        tenant="acme",
        custodian="local",
        key_version=1,
        created=now,
        pixels_digest=bytes(32),
        record=b"r",
        expires=now,
    )
    with open_upkeep(Settings(home=tmp_path / "home")) as (audit, records):
        for lease in (timedelta(minutes=1), timedelta(hours=1)):
            audit.intend(attempt(lease))
        for one in (record, replace(record, id=uuid4(), expires=now + timedelta(hours=1))):
            records.add(one)
        assert tidy(audit, records) == Tidied(interrupted=1, expired=1)
        assert tidy(audit, records) == Tidied(interrupted=0, expired=0)
        assert [entry.kind for entry in audit.entries("acme", 10)] == ["intent", "intent", "outcome"]


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


def test_what_was_not_started_can_be_closed() -> None:
    Upkeep(lambda: None, every_s=1).close()
