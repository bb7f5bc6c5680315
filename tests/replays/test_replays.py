"""Answers under idempotency keys: carried out once, given again, forgotten in time."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine, func, select

from service.database.engine import transaction
from service.database.tables import replays
from service.errors import IdempotencyKeyReused, RequestInProgress
from service.replays import LEASE, Answer, Claim, ReplayStore

RETENTION = timedelta(hours=24)
ONE, TWO = b"1" * 32, b"2" * 32
ANSWER = Answer("image/png", {"x-visard-record": "7"}, b"\0pixels\xff")


class Clock:
    def __init__(self) -> None:
        self.time = datetime(2026, 1, 2, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.time


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(database: Engine, clock: Clock) -> ReplayStore:
    return ReplayStore(database, RETENTION, now=clock)


def begun(store: ReplayStore, key: str = "key", request: bytes = ONE, subject: str = "camera") -> Claim:
    claim = store.begin("acme", subject, key, request)
    assert isinstance(claim, Claim)
    return claim


def count(database: Engine) -> int:
    with transaction(database) as connection:
        return connection.execute(select(func.count()).select_from(replays)).scalar_one()


def test_an_answer_is_given_again(store: ReplayStore) -> None:
    store.keep(begun(store), ANSWER)
    assert [store.begin("acme", "camera", "key", ONE) for _ in range(2)] == [ANSWER, ANSWER]


def test_another_request_under_the_same_key_is_refused(store: ReplayStore) -> None:
    claim = begun(store)
    with pytest.raises(IdempotencyKeyReused):
        store.begin("acme", "camera", "key", TWO)
    store.keep(claim, ANSWER)
    with pytest.raises(IdempotencyKeyReused):
        store.begin("acme", "camera", "key", TWO)


def test_keys_of_different_callers_have_nothing_to_do_with_each_other(store: ReplayStore) -> None:
    store.keep(begun(store), ANSWER)
    for tenant, subject, key in (("acme", "another", "key"), ("globex", "camera", "key"), ("acme", "camera", "yek")):
        assert isinstance(store.begin(tenant, subject, key, TWO), Claim)
    # Joined without care, these would be the same.
    assert isinstance(store.begin("acme", "a", "bc", ONE), Claim)
    assert isinstance(store.begin("acme", "ab", "c", ONE), Claim)


def test_while_it_is_answered_nobody_else_answers(store: ReplayStore) -> None:
    begun(store)
    with pytest.raises(RequestInProgress):
        store.begin("acme", "camera", "key", ONE)


def test_of_many_at_once_one_answers(store: ReplayStore) -> None:
    def attempt(_: int) -> str:
        try:
            return type(store.begin("acme", "camera", "key", ONE)).__name__
        except RequestInProgress:
            return "RequestInProgress"

    with ThreadPoolExecutor(8) as pool:
        results = sorted(pool.map(attempt, range(24)))
    assert results == ["Claim"] + ["RequestInProgress"] * 23


def test_a_failed_request_may_be_tried_again(store: ReplayStore, database: Engine) -> None:
    store.release(begun(store))
    assert count(database) == 0
    begun(store, request=TWO)


def test_a_crash_does_not_lock_the_key(store: ReplayStore, clock: Clock) -> None:
    dead = begun(store)
    clock.time += LEASE
    with pytest.raises(IdempotencyKeyReused):
        store.begin("acme", "camera", "key", TWO)
    next_one = begun(store)
    with pytest.raises(RequestInProgress):
        store.begin("acme", "camera", "key", ONE)
    # It was only slow: what it made must not be given beside the other's answer.
    with pytest.raises(RequestInProgress):
        store.keep(dead, ANSWER)
    store.release(dead)
    store.keep(next_one, ANSWER)
    assert store.begin("acme", "camera", "key", ONE) == ANSWER


def test_a_kept_answer_outlives_its_lease_and_cannot_be_replaced(store: ReplayStore, clock: Clock) -> None:
    claim = begun(store)
    store.keep(claim, ANSWER)
    clock.time += 2 * LEASE
    with pytest.raises(RequestInProgress):
        store.keep(claim, Answer("image/png", {}, b"another"))
    store.release(claim)
    assert store.begin("acme", "camera", "key", ONE) == ANSWER


def test_answers_are_forgotten_in_time(store: ReplayStore, database: Engine, clock: Clock) -> None:
    for i in range(5):
        store.keep(begun(store, f"key-{i}"), ANSWER)
    clock.time += RETENTION
    begun(store, "key-0", TWO)
    assert count(database) == 1


def test_all_that_expired_is_forgotten_without_a_request_too(
    store: ReplayStore, database: Engine, clock: Clock
) -> None:
    for i in range(250):
        store.keep(begun(store, f"key-{i}"), ANSWER)
    clock.time += RETENTION / 2
    store.keep(begun(store, "young"), ANSWER)
    clock.time += RETENTION / 2
    store.forget_expired()
    assert count(database) == 1


def test_the_database_holds_no_key_of_a_caller(store: ReplayStore, database: Engine) -> None:
    begun(store, "my-very-own-key", subject="Dr. Ada")
    with transaction(database) as connection:
        row = connection.execute(select(replays)).one()
    assert "my-very-own-key" not in str(row)
    assert "Ada" not in str(row)
