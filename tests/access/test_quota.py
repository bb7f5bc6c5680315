"""Quotas: how often a caller may ask, whichever replica it asks."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine, func, select

from service.access.principal import Principal
from service.access.quota import Quota
from service.database.engine import make_engine, transaction
from service.database.migrate import upgrade
from service.database.tables import quotas
from service.errors import RateExceeded

SECOND = 1_000_000
ALICE = Principal("alice", "acme", frozenset())


class Clock:
    def __init__(self) -> None:
        self.time = 1_800_000_000 * SECOND

    def __call__(self) -> int:
        return self.time


def waits(quota: Quota, caller: Principal = ALICE) -> int:
    """Seconds to wait, 0 if the request was allowed."""
    try:
        quota.spend(caller)
    except RateExceeded as refused:
        return refused.retry_s
    return 0


def allowed(quota: Quota, caller: Principal = ALICE) -> bool:
    return waits(quota, caller) == 0


def test_a_minutes_requests_and_no_more(database: Engine) -> None:
    clock = Clock()
    quota = Quota(database, 6, clock)
    assert [allowed(quota) for _ in range(8)] == [True] * 6 + [False] * 2
    assert waits(quota) == 10
    clock.time += 10 * SECOND - 1
    assert not allowed(quota)
    clock.time += 1
    assert [allowed(quota) for _ in range(2)] == [True, False]
    clock.time += 600 * SECOND
    assert [allowed(quota) for _ in range(7)] == [True] * 6 + [False]


def test_who_rested_leaves_no_row(database: Engine) -> None:
    clock = Clock()
    quota = Quota(database, 6, clock)
    assert allowed(quota, Principal("bob", "acme", frozenset()))
    assert [allowed(quota) for _ in range(7)] == [True] * 6 + [False]
    clock.time += 10 * SECOND
    quota.forget_rested()
    assert rows(database) == 1
    assert [allowed(quota) for _ in range(2)] == [True, False]
    clock.time += 60 * SECOND
    quota.forget_rested()
    assert rows(database) == 0


def rows(database: Engine) -> int:
    with transaction(database) as connection:
        return connection.execute(select(func.count()).select_from(quotas)).scalar_one()


def test_callers_do_not_share(database: Engine) -> None:
    quota = Quota(database, 1, Clock())
    others = [Principal("alice", "globex", frozenset()), Principal("bob", "acme", frozenset())]
    assert [allowed(quota, caller) for caller in (ALICE, *others, ALICE)] == [True, True, True, False]
    assert allowed(quota, Principal("\N{GRINNING FACE}" * 1000, "acme", frozenset()))


def test_replicas_share(database: Engine) -> None:
    clock = Clock()
    replicas = [Quota(database, 10, clock) for _ in range(4)]
    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(lambda i: allowed(replicas[i % 4]), range(24)))
    assert sum(results) == 10


def test_a_clock_that_steps_back_locks_nobody_out(database: Engine) -> None:
    clock = Clock()
    quota = Quota(database, 6, clock)
    assert [allowed(quota) for _ in range(7)] == [True] * 6 + [False]
    clock.time -= 3600 * SECOND
    assert [allowed(quota) for _ in range(7)] == [True] * 6 + [False]
    # Less than it may be wrong by among replicas: nobody waits longer for it than two minutes.
    clock.time -= 59 * SECOND
    assert waits(quota) == 10 + 59
    clock.time += (10 + 59) * SECOND
    assert allowed(quota)


def test_replicas_whose_clocks_differ_a_little_allow_no_more(database: Engine) -> None:
    fast, slow = Clock(), Clock()
    slow.time -= 5 * SECOND
    replicas = [Quota(database, 6, clock) for clock in (fast, slow)]
    assert sum(allowed(replicas[i % 2]) for i in range(24)) == 6


def test_the_clock_is_the_database_servers(postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = make_engine(postgres_url)
    upgrade(engine)
    quota, hour = Quota(engine, 6), 3600 * SECOND
    assert sum(allowed(quota) for _ in range(7)) == 6
    for wrong in (hour, -hour):
        monkeypatch.setattr("service.access.quota._microseconds", lambda wrong=wrong: time.time_ns() // 1000 + wrong)
        assert not allowed(quota)
    assert 1 <= waits(quota) <= 10
    quota.forget_rested()
    assert rows(engine) == 1
    engine.dispose()


@pytest.fixture(scope="module")
def lasting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """One database for all examples; each has a caller of its own."""
    engine = make_engine(f"sqlite:///{tmp_path_factory.mktemp('quota') / 'visard.db'}")
    upgrade(engine)
    yield engine
    engine.dispose()


@given(st.integers(1, 20), st.lists(st.integers(0, 40 * SECOND), max_size=40))
def test_in_no_minute_more_than_a_burst_and_the_refill(lasting: Engine, per_minute: int, pauses: list[int]) -> None:
    clock, caller = Clock(), Principal(str(uuid4()), "acme", frozenset())
    quota, taken = Quota(lasting, per_minute, clock), []
    for pause in pauses:
        clock.time += pause
        wait = waits(quota, caller)
        if wait:
            assert 1 <= wait <= 60
            clock.time += wait * SECOND
            assert allowed(quota, caller)
        taken.append(clock.time)
    for start in taken:
        assert sum(start <= time < start + 60 * SECOND for time in taken) <= 2 * per_minute
