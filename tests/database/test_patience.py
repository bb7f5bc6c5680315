"""A server that hangs: whoever asks it is told in time, and everything goes on when it wakes up."""

import signal
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from threading import Event

import psycopg
import pytest
from sqlalchemy import Connection, Engine, make_url, select

from service.database.engine import exclusive, make_engine, snapshot, transaction, writing
from service.database.patience import Listener, connect, patience
from service.errors import DatabaseUnavailable
from tests.conftest import PostgresServer
from tests.waiting import until

HANGS_S = 60
"""Longer than any deadline here; without one nothing would ever end."""


def _in_time(call: Callable[[], object]) -> BaseException | None:
    pool = ThreadPoolExecutor(1)
    try:
        return pool.submit(call).exception(HANGS_S)
    finally:
        pool.shutdown(wait=False)


def _alone(engine: Engine) -> AbstractContextManager[Connection]:
    return exclusive(engine, "name")


def _ask(engine: Engine, begin: Callable[..., AbstractContextManager[Connection]] = transaction) -> int:
    with begin(engine) as connection:
        return connection.execute(select(1)).scalar_one()


@pytest.mark.parametrize("begin", [transaction, writing, snapshot, _alone])
def test_a_hung_server_is_given_up_and_used_again(
    begin: Callable[..., AbstractContextManager[Connection]], stoppable_postgres: PostgresServer
) -> None:
    known, fresh = (make_engine(stoppable_postgres.url, patience=2) for _ in range(2))
    assert _ask(known, begin) == 1
    stoppable_postgres.signal(signal.SIGSTOP)
    for engine in (known, fresh):
        for _ in range(2):
            assert isinstance(_in_time(lambda engine=engine: _ask(engine, begin)), DatabaseUnavailable)
    stoppable_postgres.signal(signal.SIGCONT)
    for engine in (known, fresh):
        assert _ask(engine, begin) == 1
        engine.dispose()


def test_a_commit_that_hangs_is_given_up(stoppable_postgres: PostgresServer) -> None:
    engine = make_engine(stoppable_postgres.url, patience=2)

    def commit() -> None:
        with transaction(engine) as connection:
            connection.exec_driver_sql("CREATE TABLE t (x int)")
            stoppable_postgres.signal(signal.SIGSTOP)

    assert isinstance(_in_time(commit), DatabaseUnavailable)
    stoppable_postgres.signal(signal.SIGCONT)
    assert _ask(engine) == 1
    engine.dispose()


def test_a_connection_that_was_given_up_is_closed(stoppable_postgres: PostgresServer) -> None:
    """Nothing more is asked on it: not to cancel, not to roll back."""
    connection = connect(host=make_url(stoppable_postgres.url).query["host"], user="postgres")
    stoppable_postgres.signal(signal.SIGSTOP)

    def ask() -> None:
        with patience(Listener(), whole_s=0.5):
            connection.execute("SELECT 1")

    assert isinstance(_in_time(ask), psycopg.OperationalError)
    assert connection.closed


def test_the_wait_for_a_lock_ends_at_the_server(postgres_url: str) -> None:
    """The connection is worth keeping: it is not the server that hangs."""
    other, impatient = make_engine(postgres_url), make_engine(postgres_url, patience=2)
    kept = _process(impatient)
    with writing(other) as holder:
        holder.exec_driver_sql("SELECT pg_advisory_xact_lock(1)")
        with pytest.raises(DatabaseUnavailable), writing(impatient) as connection:
            connection.exec_driver_sql("SELECT pg_advisory_xact_lock(1)")
    assert _process(impatient) == kept
    for engine in (other, impatient):
        engine.dispose()


def _process(engine: Engine) -> int:
    with transaction(engine) as connection:
        return int(connection.exec_driver_sql("SELECT pg_backend_pid()").scalar_one())


def test_one_at_a_time_asks_a_silent_server() -> None:
    listener, inside, go = Listener(), Event(), Event()

    def ask() -> float:
        with listener.turn(10) as granted:
            inside.set()
            assert go.wait(HANGS_S)
            return granted

    listener.fell_silent()
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(ask)
        assert inside.wait(HANGS_S)
        with pytest.raises(DatabaseUnavailable, match="does not answer"), listener.turn(10):
            pass
        go.set()
        assert first.result(HANGS_S) == 2
    with listener.turn(10) as granted:
        assert granted == 2
        listener.heard()
    with listener.turn(10) as granted, listener.turn(10) as another:
        assert (granted, another) == (10, 10)


def _granted(engine: Engine) -> float:
    with engine.get_execution_options()["visard_listener"].turn(10) as granted:
        return float(granted)


def _too_slow(engine: Engine) -> None:
    with pytest.raises(DatabaseUnavailable), transaction(engine) as connection:
        connection.exec_driver_sql("SELECT pg_sleep(20)")


def test_who_has_no_time_left_says_nothing_of_the_server(postgres_url: str) -> None:
    engine = make_engine(postgres_url, patience=2)

    def late() -> None:
        with transaction(engine) as connection:
            connection.execute(select(1))
            time.sleep(2)
            connection.exec_driver_sql("SELECT pg_sleep(1)")

    with pytest.raises(DatabaseUnavailable):
        late()
    assert _granted(engine) == 10
    engine.dispose()


def test_a_server_that_answers_others_is_not_silent(postgres_url: str) -> None:
    engine = make_engine(postgres_url, patience=2)
    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(_too_slow, engine)
        until(lambda: (_ask(engine), slow.done())[1])
        slow.result()
    assert _granted(engine) == 10
    # Nobody else asks.
    _too_slow(engine)
    assert _granted(engine) == 2
    engine.dispose()


@pytest.mark.parametrize("begin", [writing, _alone])
def test_the_server_is_told_of_the_time_that_is_granted(
    begin: Callable[..., AbstractContextManager[Connection]], postgres_url: str
) -> None:
    engine = make_engine(postgres_url, patience=10)
    for told in ("8s", "1600ms"):
        with begin(engine) as connection:
            assert connection.exec_driver_sql("SHOW statement_timeout").scalar_one() == told
        engine.get_execution_options()["visard_listener"].fell_silent()
    engine.dispose()


@pytest.mark.parametrize("begin", [writing, _alone])
def test_what_a_process_that_stopped_has_locked_is_free_again(
    begin: Callable[..., AbstractContextManager[Connection]], postgres_url: str
) -> None:
    stopped, other = (make_engine(postgres_url, patience=2) for _ in range(2))

    def stop_meanwhile() -> None:
        with begin(stopped) as holder:
            holder.exec_driver_sql("SELECT pg_advisory_xact_lock(2)")
            # It stays silent, and its connection open, for as long as it takes.
            until(lambda: _locks(other, begin))

    with pytest.raises(DatabaseUnavailable):
        stop_meanwhile()
    for engine in (stopped, other):
        assert _ask(engine) == 1
        engine.dispose()


def _locks(engine: Engine, begin: Callable[..., AbstractContextManager[Connection]]) -> bool:
    try:
        with begin(engine) as connection:
            connection.exec_driver_sql("SELECT pg_advisory_xact_lock(2)")
    except DatabaseUnavailable:
        return False
    return True
