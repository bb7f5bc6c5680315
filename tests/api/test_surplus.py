"""Refusals that are only counted: what waits for a log that takes no entry, and how often it is tried."""

from collections.abc import Callable
from datetime import timedelta
from types import SimpleNamespace
from typing import Any, cast

import pytest

from service.access.principal import Principal
from service.api import Desk
from service.api.refusals import Refusals
from service.chores import finish, write_surplus
from service.errors import AuditUnavailable, RateExceeded


class Clock:
    """Stands until it is moved."""

    time = 0.0

    def __call__(self) -> float:
        return self.time


class Log:
    """Takes entries, those of some tenants not."""

    def __init__(self) -> None:
        self.failures: dict[str, Exception] = {}
        self.tried: list[str] = []
        self.taken: list[tuple[str, object, object]] = []

    def append(self, tenant: str, _kind: object, _id: object, fields: dict[str, Any], _time: object) -> None:
        self.tried.append(tenant)
        if tenant in self.failures:
            raise self.failures[tenant]
        self.taken.append((tenant, fields["subject"], fields["count"]))


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def refusals(clock: Clock) -> Refusals:
    return Refusals(1, clock)


@pytest.fixture
def log() -> Log:
    return Log()


@pytest.fixture
def desk(refusals: Refusals, log: Log) -> Desk:
    parts, metrics = SimpleNamespace(audit=log), SimpleNamespace(audit_failed=lambda: None)
    return cast(Desk, SimpleNamespace(refusals=refusals, parts=parts, metrics=metrics))


def _refuse(refusals: Refusals, tenant: str, subject: str, surplus: int) -> None:
    for _ in range(1 + surplus):
        refusals.wait_s(Principal(subject, tenant, frozenset()), RateExceeded(1))


def test_what_is_put_back_is_added_to_what_waits(refusals: Refusals, clock: Clock) -> None:
    spans = []
    for count in (2, 3):
        _refuse(refusals, "acme", "late", count)
        clock.time += 60
        (first,) = refusals.take()
        spans.append((first.since, first.until))
        refusals.put_back(first)
    (waiting,) = refusals.take()
    assert waiting.count == 5
    assert (waiting.since, waiting.until) == (spans[0][0], spans[1][1])


def test_a_window_is_a_minute_however_late_its_end_is_noticed(refusals: Refusals, clock: Clock) -> None:
    _refuse(refusals, "acme", "late", 1)
    refusals._since -= timedelta(hours=1)
    clock.time += 3600
    (surplus,) = refusals.take()
    assert surplus.until - surplus.since == timedelta(seconds=60)


@pytest.mark.parametrize("error", [AuditUnavailable("the log cannot be written"), RuntimeError("a fault")])
def test_a_log_that_fails_is_tried_once_in_a_round_and_no_count_is_lost(
    error: Exception, desk: Desk, refusals: Refusals, log: Log, clock: Clock
) -> None:
    log.failures["acme"] = error
    for tenant, subject in (("acme", "a"), ("acme", "b"), ("globex", "c"), ("acme", "d")):
        _refuse(refusals, tenant, subject, 2)
    clock.time += 60
    with pytest.raises(type(error)):
        write_surplus(desk)
    assert sorted(log.tried) == ["acme", "globex"]
    log.failures.clear()
    write_surplus(desk)
    assert sorted(log.taken) == [("acme", "a", 2), ("acme", "b", 2), ("acme", "d", 2), ("globex", "c", 2)]
    assert refusals.take(unfinished=True) == []


@pytest.mark.parametrize("error", [AuditUnavailable("the log cannot be written"), RuntimeError("a fault")])
def test_the_end_of_the_service_waits_for_one_failure_and_says_what_is_lost(
    error: Exception, desk: Desk, refusals: Refusals, log: Log, caplog: pytest.LogCaptureFixture
) -> None:
    log.failures = dict.fromkeys(("acme", "globex"), error)
    for tenant, subject in (("initech", "a"), ("acme", "hidden"), ("globex", "c")):
        _refuse(refusals, tenant, subject, 2)
    finish(desk)
    assert log.tried == ["initech", "acme"]
    assert log.taken == [("initech", "a", 2)]
    assert "4 refusals" in caplog.text and type(error).__name__ in caplog.text
    assert "hidden" not in caplog.text


@pytest.mark.parametrize("end", [write_surplus, finish])
def test_where_nothing_waits_nothing_is_written(end: Callable[[Desk], None], desk: Desk, log: Log) -> None:
    end(desk)
    assert log.tried == []
