"""Engines and transactions that behave alike on SQLite and PostgreSQL."""

import os
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import URL, Connection, Engine, create_engine, event, func, make_url, select
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from service.errors import DatabaseUnavailable, DatabaseUrlInvalid

POSTGRESQL = "postgresql+psycopg"
SQLITE = "sqlite"

_PATIENCE_S = 10
_BEGIN = "visard_begin"
_NO_TRANSACTION = ""
_PATIENCE = "visard_patience"
_PRAGMAS = (
    f"busy_timeout={_PATIENCE_S * 1000}",
    "journal_mode=WAL",
    "synchronous=FULL",
    "foreign_keys=ON",
    # What is deleted is overwritten with zeros, so that an erased seal does not linger in free pages.
    "secure_delete=ON",
)


def make_engine(url: str) -> Engine:
    """An engine for ``sqlite:///FILE`` or ``postgresql+psycopg://...``; connects only when used.

    A missing SQLite file is created for its owner only (0600); its directory must exist.

    Raises:
        DatabaseUrlInvalid: neither of the two.
        DatabaseUnavailable: the SQLite file cannot be created.
    """
    parsed = _parsed(url)
    # A statement's parameters are keys and pixels to us: they stay out of error texts.
    if parsed.drivername == POSTGRESQL:
        connect = {"connect_timeout": _PATIENCE_S}
        return create_engine(parsed, hide_parameters=True, pool_pre_ping=True, connect_args=connect)
    _create_private(Path(parsed.database or ""))
    engine = create_engine(parsed, hide_parameters=True)
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


@contextmanager
def transaction(engine: Engine) -> Iterator[Connection]:
    """One transaction: committed at the end of the block, rolled back when it raises.

    Raises:
        DatabaseUnavailable: the database did not take part, or the commit failed.
    """
    with _translated(), engine.begin() as connection:
        yield connection


@contextmanager
def writing(engine: Engine, patience: float = _PATIENCE_S) -> Iterator[Connection]:
    """A transaction that is going to write: on SQLite the only one from its begin.

    Args:
        patience: seconds after which a wait for others, and on PostgreSQL any statement, is given up.

    Raises:
        DatabaseUnavailable: as for ``transaction``, or the patience ended.
    """
    options = engine.execution_options(**{_BEGIN: "BEGIN IMMEDIATE", _PATIENCE: patience})
    with _translated(), options.begin() as connection:
        if connection.dialect.name != SQLITE:
            for setting in ("lock_timeout", "statement_timeout"):
                connection.exec_driver_sql(f"SET LOCAL {setting} = {_milliseconds(patience)}")
        yield connection


@contextmanager
def exclusive(engine: Engine, name: str) -> Iterator[Connection]:
    """A transaction that runs alone among those of the same name, across processes.

    On PostgreSQL it holds an advisory lock until it ends; on SQLite it is the only writer. What it reads is
    therefore still true when it writes.

    Raises:
        DatabaseUnavailable: as for ``transaction``, or others kept the lock for too long.
    """
    immediate = engine.execution_options(**{_BEGIN: "BEGIN IMMEDIATE"})
    with _translated(), immediate.begin() as connection:
        if connection.dialect.name != SQLITE:
            connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{_PATIENCE_S}s'")
            connection.execute(select(func.pg_advisory_xact_lock(zlib.crc32(name.encode()))))
        yield connection


@contextmanager
def snapshot(engine: Engine) -> Iterator[Connection]:
    """A transaction that only reads, and sees the database as of one instant.

    Raises:
        DatabaseUnavailable: as for ``transaction``.
    """
    reading = engine
    if engine.dialect.name != SQLITE:
        reading = engine.execution_options(isolation_level="REPEATABLE READ")
    with transaction(reading) as connection:
        yield connection


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
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    options = connection.get_execution_options()
    connection.exec_driver_sql(f"PRAGMA busy_timeout={_milliseconds(options.get(_PATIENCE, _PATIENCE_S))}").close()
    statement = options.get(_BEGIN, "BEGIN")
    if statement != _NO_TRANSACTION:
        connection.exec_driver_sql(statement)


def _milliseconds(seconds: float) -> int:
    """At least 1: PostgreSQL takes 0 for no limit."""
    return max(1, round(seconds * 1000))


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except SQLAlchemyError as error:
        raise DatabaseUnavailable("the database did not carry out the request") from error
