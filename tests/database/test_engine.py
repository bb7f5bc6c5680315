"""Engines: what they refuse, how they commit, what they show."""

import sqlite3
import stat
from collections.abc import Callable
from contextlib import AbstractContextManager, closing
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from threading import Thread, Timer
from uuid import uuid4

import pytest
from sqlalchemy import Connection, Engine, insert, select

from service.database.engine import exclusive, make_engine, transaction
from service.database.tables import audit_entries
from service.errors import DatabaseUnavailable, DatabaseUrlInvalid


def _entry(index: int = 0, time: datetime = datetime(2026, 1, 2, tzinfo=UTC)) -> dict[str, object]:
    row = {"tenant": "acme", "index": index, "attempt": uuid4(), "kind": "intent", "time": time, "body": b"secret"}
    return {**row, "proof": b"", "checkpoint": ""}


@pytest.mark.parametrize(
    "url", ["", "nonsense", "sqlite://", "sqlite:///:memory:", "mysql://u:hunter2@h/d", "postgresql://u:hunter2@h:x/d"]
)
def test_other_urls_are_refused_without_quoting_them(url: str) -> None:
    with pytest.raises(DatabaseUrlInvalid) as caught:
        make_engine(url)
    assert "hunter2" not in f"{caught.value} {caught.value.__cause__}"


def test_a_new_sqlite_database_is_private(sqlite_url: str, tmp_path: Path) -> None:
    engine = make_engine(sqlite_url)
    with transaction(engine) as connection:
        connection.exec_driver_sql("CREATE TABLE t (x)")
        assert {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()} == {0o600}
    engine.dispose()


def test_a_missing_directory_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(DatabaseUnavailable) as caught:
        make_engine(f"sqlite:///{tmp_path}/missing/visard.db")
    assert str(tmp_path) not in str(caught.value)


def test_sqlite_is_durable_and_overwrites_what_it_deletes(sqlite_url: str) -> None:
    engine = make_engine(sqlite_url)
    with transaction(engine) as connection:
        settings = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar_one()
            for name in ("journal_mode", "synchronous", "foreign_keys", "secure_delete")
        }
    assert settings == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "secure_delete": 1}
    engine.dispose()


def test_a_new_sqlite_database_that_another_process_writes_to_is_waited_for(tmp_path: Path) -> None:
    file = tmp_path / "new.db"
    with closing(sqlite3.connect(file, isolation_level=None, check_same_thread=False)) as other:
        other.execute("BEGIN IMMEDIATE")
        release = Timer(0.5, other.execute, ["COMMIT"])
        release.start()
        with transaction(make_engine(f"sqlite:///{file}")) as connection:
            assert connection.exec_driver_sql("PRAGMA journal_mode").scalar_one() == "wal"
        release.join()


@pytest.mark.parametrize("begin", [transaction, lambda engine: exclusive(engine, "name")])
def test_a_block_that_raises_leaves_nothing(
    database: Engine, begin: Callable[[Engine], AbstractContextManager[Connection]]
) -> None:
    def fail() -> None:
        with begin(database) as connection:
            connection.execute(insert(audit_entries).values(_entry()))
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    with begin(database) as connection:
        assert connection.execute(select(audit_entries)).all() == []


def test_database_errors_are_translated_and_the_log_has_their_code_alone(
    database: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(DatabaseUnavailable) as caught, transaction(database) as connection:
        connection.execute(insert(audit_entries), [_entry(), _entry()])
    assert "secret" not in f"{caught.value} {caught.value.__cause__}"
    # A duplicate key, as each of them calls it.
    code = "SQLITE_CONSTRAINT_PRIMARYKEY" if database.dialect.name == "sqlite" else "23505"
    assert caplog.messages == [f"the database did not carry out a request: IntegrityError {code}"]


def test_times_keep_their_instant_and_come_back_in_utc(database: Engine) -> None:
    time = datetime(2026, 3, 4, 5, 6, 7, 891011, tzinfo=timezone(timedelta(hours=-7)))
    with transaction(database) as connection:
        connection.execute(insert(audit_entries).values(_entry(time=time)))
        stored = connection.execute(select(audit_entries.c.time)).scalar_one()
    assert stored == time
    assert stored.tzinfo is UTC
    with pytest.raises(DatabaseUnavailable), transaction(database) as connection:
        connection.execute(insert(audit_entries).values(_entry(1, datetime(2026, 1, 1))))  # noqa: DTZ001


def test_what_an_exclusive_transaction_reads_is_still_true_when_it_writes(database: Engine) -> None:
    def append() -> None:
        for _ in range(5):
            with exclusive(database, "log") as connection:
                size = len(connection.execute(select(audit_entries.c.index)).all())
                connection.execute(insert(audit_entries).values(_entry(size)))

    threads = [Thread(target=append) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with transaction(database) as connection:
        indices = connection.execute(select(audit_entries.c.index).order_by(audit_entries.c.index)).scalars().all()
    assert indices == list(range(20))
