"""The audit log: committed, gapless per tenant, separate between tenants, loud when it fails."""

from datetime import UTC, datetime
from threading import Thread
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Engine

from service.audit.entry import AuditEntry, Outcome, RecoveryAttempt, Result
from service.audit.log import AuditLog
from service.database.engine import make_engine
from service.errors import AuditUnavailable

TIME = datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=UTC)


def _attempt(tenant: str = "acme") -> RecoveryAttempt:
    return RecoveryAttempt(
        id=uuid4(),
        tenant=tenant,
        subject="alice",
        reason="a theft",
        case="7/26",
        record=uuid4(),
        image_digest=bytes(32),
        request="r-1",
        client="cli",
        time=TIME,
    )


def _outcome(attempt: UUID) -> Outcome:
    return Outcome(attempt=attempt, time=TIME, result=Result.DENIED, detail="wrong-key")


def test_intent_and_outcome_are_kept_as_they_were_committed(database: Engine) -> None:
    attempt = _attempt()
    outcome = _outcome(attempt.id)
    AuditLog(database).intend(attempt)
    AuditLog(database).conclude(outcome)
    assert AuditLog(database).entries("acme", 10) == [
        AuditEntry("acme", 0, attempt.id, "intent", TIME, attempt.body()),
        AuditEntry("acme", 1, attempt.id, "outcome", TIME, outcome.body()),
    ]


def test_each_entry_is_committed_before_the_call_returns(database: Engine) -> None:
    AuditLog(database).intend(_attempt())
    other = make_engine(database.url.render_as_string(hide_password=False))
    assert len(AuditLog(other).entries("acme", 10)) == 1
    other.dispose()


def test_tenants_count_for_themselves_and_see_only_their_own(database: Engine) -> None:
    log = AuditLog(database)
    attempts = [_attempt("acme"), _attempt("globex"), _attempt("acme")]
    for attempt in attempts:
        log.intend(attempt)
    log.conclude(_outcome(attempts[1].id))
    assert [(entry.index, entry.attempt) for entry in log.entries("acme", 10)] == [
        (0, attempts[0].id),
        (1, attempts[2].id),
    ]
    assert [(entry.index, entry.kind) for entry in log.entries("globex", 10)] == [(0, "intent"), (1, "outcome")]
    assert log.entries("nobody", 10) == []


def test_pages_follow_each_other(database: Engine) -> None:
    log = AuditLog(database)
    for _ in range(5):
        log.intend(_attempt())
    assert [entry.index for entry in log.entries("acme", 2)] == [0, 1]
    assert [entry.index for entry in log.entries("acme", 2, after=0)] == [1, 2]
    assert [entry.index for entry in log.entries("acme", 9, after=3)] == [4]


def test_attempts_at_the_same_time_leave_no_gap(database: Engine) -> None:
    def attempts() -> None:
        log = AuditLog(database)
        for _ in range(3):
            attempt = _attempt()
            log.intend(attempt)
            log.conclude(_outcome(attempt.id))

    threads = [Thread(target=attempts) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    entries = AuditLog(database).entries("acme", 100)
    assert [entry.index for entry in entries] == list(range(24))
    assert len({(entry.attempt, entry.kind) for entry in entries}) == 24


def test_an_attempt_ends_once_and_not_without_an_intent(database: Engine) -> None:
    log = AuditLog(database)
    attempt = _attempt()
    with pytest.raises(AuditUnavailable):
        log.conclude(_outcome(attempt.id))
    log.intend(attempt)
    log.conclude(_outcome(attempt.id))
    with pytest.raises(AuditUnavailable):
        log.conclude(_outcome(attempt.id))
    assert len(log.entries("acme", 10)) == 2


def test_a_log_that_cannot_be_written_is_loud(empty_database: Engine) -> None:
    log = AuditLog(empty_database)
    with pytest.raises(AuditUnavailable, match="nothing was recovered"):
        log.intend(_attempt())
    with pytest.raises(AuditUnavailable, match="withheld"):
        log.conclude(_outcome(uuid4()))
    with pytest.raises(AuditUnavailable):
        log.entries("acme", 1)
