"""Engines and transactions that behave alike on SQLite and PostgreSQL."""

import logging
import os
import sqlite3
import time
import zlib
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import URL, Connection, Engine, Select, Table, create_engine, event, func, make_url, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine.interfaces import DBAPIConnection, DBAPICursor
from sqlalchemy.exc import ArgumentError, OperationalError, SQLAlchemyError

from service.database import patience as patient
from service.errors import DatabaseUnavailable, DatabaseUrlInvalid

_Query = TypeVar("_Query", bound=Select[Any])
_log = logging.getLogger(__name__)

POSTGRESQL = "postgresql+psycopg"
SQLITE = "sqlite"

_PATIENCE_S = 10
_PORTION = 500
_AGAIN_S = 0.02
_BEGIN = "visard_begin"
_NO_TRANSACTION = ""
_PATIENCE = "visard_patience"
_LISTENER = "visard_listener"
_SERVER_SHARE = 0.8
"""Of a caller's patience: a server that waits for a lock is to give up before its caller gives up the server."""
_TIMEOUTS = ("lock_timeout", "statement_timeout", "idle_in_transaction_session_timeout")
"""The last one frees what is locked by a process that was stopped, or is on the far side of a dead link."""
_PRAGMAS = (
    f"busy_timeout={_PATIENCE_S * 1000}",
    "journal_mode=WAL",
    "synchronous=FULL",
    "foreign_keys=ON",
    # What is deleted is overwritten with zeros, so that an erased seal does not linger in free pages.
    "secure_delete=ON",
)


def make_engine(url: str, patience: float = _PATIENCE_S) -> Engine:
    """An engine for ``sqlite:///FILE`` or ``postgresql+psycopg://...``; connects only when used.

    A missing SQLite file is created for its owner only (0600); its directory must exist.

    Args:
        url: of the database.
        patience: seconds after which a transaction is given up, its connection and its commit included; at least 2.

    Raises:
        DatabaseUrlInvalid: neither of the two.
        DatabaseUnavailable: the SQLite file cannot be created.
    """
    parsed = _parsed(url)
    # A statement's parameters are keys and pixels to us: they stay out of error texts.
    if parsed.drivername == POSTGRESQL:
        options = {_PATIENCE: max(patience, patient.LEAST_S), _LISTENER: patient.Listener()}
        # The threads that use it bound the pool: nobody must wait for those who wait for a silent server.
        engine = create_engine(
            parsed, hide_parameters=True, pool_pre_ping=True, max_overflow=-1, execution_options=options
        )
        event.listen(engine, "do_connect", _connect)
        return engine
    _create_private(Path(parsed.database or ""))
    engine = create_engine(parsed, hide_parameters=True, execution_options={_PATIENCE: patience})
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


@contextmanager
def transaction(engine: Engine) -> Iterator[Connection]:
    """One transaction: committed at the end of the block, rolled back when it raises.

    Raises:
        DatabaseUnavailable: the database did not take part, or the commit failed.
    """
    with _translated(), _within(engine, _patience_of(engine)), engine.begin() as connection:
        yield connection


@contextmanager
def writing(engine: Engine, patience: float | None = None) -> Iterator[Connection]:
    """A transaction that is going to write: on SQLite the only one from its begin.

    Args:
        patience: seconds after which a wait for others, and on PostgreSQL all of it, is given up; the engine's by
            default.

    Raises:
        DatabaseUnavailable: as for ``transaction``, or the patience ended.
    """
    seconds = _patience_of(engine) if patience is None else patience
    options = engine.execution_options(**{_BEGIN: "BEGIN IMMEDIATE", _PATIENCE: seconds})
    with _translated(), _within(engine, seconds) as granted_s, options.begin() as connection:
        if connection.dialect.name != SQLITE:
            _limit(connection, granted_s * _SERVER_SHARE, *_TIMEOUTS)
        yield connection


@contextmanager
def exclusive(engine: Engine, name: str, *, unhurried: bool = False) -> Iterator[Connection]:
    """A transaction that runs alone among those of the same name, across processes.

    On PostgreSQL it holds an advisory lock until it ends; on SQLite it is the only writer. What it reads is
    therefore still true when it writes.

    Args:
        unhurried: it may take its time, as a migration does, and only its waits for locks end.

    Raises:
        DatabaseUnavailable: as for ``writing``, or others kept the lock for too long.
    """
    seconds = _patience_of(engine)
    immediate = engine.execution_options(**{_BEGIN: "BEGIN IMMEDIATE"})
    within = nullcontext(seconds) if unhurried else _within(engine, seconds)
    with _translated(), within as granted_s, immediate.begin() as connection:
        if connection.dialect.name != SQLITE:
            if unhurried:
                _limit(connection, _PATIENCE_S, "lock_timeout")
            else:
                _limit(connection, granted_s * _SERVER_SHARE, *_TIMEOUTS)
            connection.execute(select(func.pg_advisory_xact_lock(zlib.crc32(name.encode()))))
        yield connection


@contextmanager
def snapshot(engine: Engine) -> Iterator[Connection]:
    """A transaction that only reads, and sees the database as of one instant.

    It may take its time as long as answers come.

    Raises:
        DatabaseUnavailable: as for ``transaction``.
    """
    reading = engine
    if engine.dialect.name != SQLITE:
        reading = engine.execution_options(isolation_level="REPEATABLE READ")
    with _translated(), _within(engine, each_s=_patience_of(engine)), reading.begin() as connection:
        yield connection


def insertion(connection: Connection, table: Table) -> postgresql.Insert | sqlite.Insert:
    """An INSERT into ``table`` that may say what to do on a conflict: each database has its own."""
    return sqlite.insert(table) if connection.dialect.name == SQLITE else postgresql.insert(table)


def by_portions(query: _Query) -> _Query:
    """A query whose rows are fetched as they are read, so that a long log does not lie in memory."""
    return query.execution_options(yield_per=_PORTION)


def settle_erasure(engine: Engine) -> None:
    """After deleting: make SQLite overwrite the deleted bytes in its main file and empty its write-ahead log.

    On PostgreSQL the old row versions go with the next vacuum.

    Raises:
        DatabaseUnavailable: a reader kept the log open for too long; the deletion itself is committed.
    """
    if engine.dialect.name != SQLITE:
        return
    with _translated(), engine.connect().execution_options(**{_BEGIN: _NO_TRANSACTION}) as connection:
        busy = connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)").scalar_one()
    if busy:
        raise DatabaseUnavailable("deleted, but the database is too busy to erase the deleted bytes now")


def _parsed(url: str) -> URL:
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        # The cause quotes the URL, and with it a password.
        raise DatabaseUrlInvalid("the database URL cannot be read") from None
    if parsed.drivername == SQLITE and parsed.database not in (None, "", ":memory:"):
        return parsed
    if parsed.drivername == POSTGRESQL:
        return parsed
    raise DatabaseUrlInvalid(f"the database URL must begin with {SQLITE}:///FILE or {POSTGRESQL}://")


def _create_private(file: Path) -> None:
    try:
        os.close(os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    except OSError as error:
        raise DatabaseUnavailable("the database file cannot be opened") from error


def _prepare_sqlite(connection: DBAPIConnection, _: object) -> None:
    # The driver would begin transactions on its own and leave reads outside; _begin_sqlite does it instead.
    connection.isolation_level = None
    cursor = connection.cursor()
    for pragma in _PRAGMAS:
        _patiently(cursor, f"PRAGMA {pragma}")
    cursor.close()


def _patiently(cursor: DBAPICursor, statement: str) -> None:
    """Execute what SQLite refuses at once, whatever its timeout is, while another process makes the same new file."""
    end = time.monotonic() + _PATIENCE_S
    while True:
        try:
            cursor.execute(statement)
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > end:
                raise
            time.sleep(_AGAIN_S)


def _begin_sqlite(connection: Connection) -> None:
    options = connection.get_execution_options()
    connection.exec_driver_sql(f"PRAGMA busy_timeout={_milliseconds(options[_PATIENCE])}").close()
    statement = options.get(_BEGIN, "BEGIN")
    if statement != _NO_TRANSACTION:
        connection.exec_driver_sql(statement)


def _connect(_dialect: Any, _entry: Any, arguments: list[Any], parameters: dict[str, Any]) -> Any:
    return patient.connect(*arguments, **parameters)


def _patience_of(engine: Engine) -> float:
    seconds: float = engine.get_execution_options()[_PATIENCE]
    return seconds


def _within(
    engine: Engine, whole_s: float = float("inf"), each_s: float = float("inf")
) -> AbstractContextManager[float]:
    """Bound the waits for a server, by the seconds yielded; SQLite has none, and bounds the wait for others itself."""
    listener = engine.get_execution_options().get(_LISTENER)
    if listener is None:
        return nullcontext(min(whole_s, each_s))
    return patient.patience(listener, whole_s=max(whole_s, patient.LEAST_S), each_s=each_s)


def _limit(connection: Connection, seconds: float, *settings: str) -> None:
    for setting in settings:
        connection.exec_driver_sql(f"SET LOCAL {setting} = {_milliseconds(seconds)}")


def _milliseconds(seconds: float) -> int:
    """At least 1: PostgreSQL takes 0 for no limit."""
    return max(1, round(seconds * 1000))


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except SQLAlchemyError as error:
        # Its text may quote a statement; its code cannot.
        cause = getattr(error, "orig", None)
        code = getattr(cause, "sqlite_errorname", None) or getattr(cause, "sqlstate", None)
        if code is None and isinstance(error, OperationalError):
            # A server that answers gives a code, unless it refuses the connection.
            _log.warning("the database cannot be reached, or refuses the connection")
            raise DatabaseUnavailable("the database cannot be reached, or refuses the connection") from error
        _log.warning("the database did not carry out a request: %s %s", type(error).__name__, code or "without a code")
        raise DatabaseUnavailable("the database did not carry out the request") from error
