"""Answers under idempotency keys: carried out once, given again, forgotten in time."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import Engine

from service.errors import IdempotencyKeyReused, RequestInProgress
from service.replays import LEASE, Answer, Claim, ReplayStore
from tests.replays.conftest import ANSWER, ONE, RETENTION, TWO, Clock, begun, count, made


def test_an_answer_is_given_again(store: ReplayStore, database: Engine) -> None:
    store.keep(begun(store), ANSWER, made(database))
    assert [store.begin("acme", "camera", "key", ONE) for _ in range(2)] == [ANSWER, ANSWER]


def test_another_request_under_the_same_key_is_refused(store: ReplayStore, database: Engine) -> None:
    claim = begun(store)
    with pytest.raises(IdempotencyKeyReused):
        store.begin("acme", "camera", "key", TWO)
    store.keep(claim, ANSWER, made(database))
    with pytest.raises(IdempotencyKeyReused):
        store.begin("acme", "camera", "key", TWO)


def test_keys_of_different_callers_have_nothing_to_do_with_each_other(store: ReplayStore, database: Engine) -> None:
    store.keep(begun(store), ANSWER, made(database))
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


def test_a_crash_does_not_lock_the_key(store: ReplayStore, database: Engine, clock: Clock) -> None:
    dead = begun(store)
    clock.time += LEASE
    with pytest.raises(IdempotencyKeyReused):
        store.begin("acme", "camera", "key", TWO)
    next_one = begun(store)
    with pytest.raises(RequestInProgress):
        store.begin("acme", "camera", "key", ONE)
    # It was only slow: what it made must not be given beside the other's answer.
    with pytest.raises(RequestInProgress):
        store.keep(dead, ANSWER, made(database))
    store.release(dead)
    store.keep(next_one, ANSWER, made(database))
    assert store.begin("acme", "camera", "key", ONE) == ANSWER


def test_a_kept_answer_outlives_its_lease_and_cannot_be_replaced(
    store: ReplayStore, database: Engine, clock: Clock
) -> None:
    claim = begun(store)
    store.keep(claim, ANSWER, made(database))
    clock.time += 2 * LEASE
    with pytest.raises(RequestInProgress):
        store.keep(claim, Answer("image/png", {}, b"another"), made(database))
    store.release(claim)
    assert store.begin("acme", "camera", "key", ONE) == ANSWER


def test_answers_are_forgotten_in_time(store: ReplayStore, database: Engine, clock: Clock) -> None:
    for i in range(5):
        store.keep(begun(store, f"key-{i}"), ANSWER, made(database))
    clock.time += RETENTION
    begun(store, "key-0", TWO)
    assert count(database) == 1


def test_all_that_expired_is_forgotten_without_a_request_too(
    store: ReplayStore, database: Engine, clock: Clock
) -> None:
    for i in range(250):
        store.keep(begun(store, f"key-{i}"), ANSWER, made(database))
    clock.time += RETENTION / 2
    store.keep(begun(store, "young"), ANSWER, made(database))
    clock.time += RETENTION / 2
    store.forget_expired()
    assert count(database) == 1
