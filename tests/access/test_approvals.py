"""Approvals: found by record or case, never one's own, and one that counts once is used once."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from threading import Barrier
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Engine, update

from service.access.approvals import Approval, ApprovalStore
from service.database.engine import make_engine, transaction
from service.database.migrate import upgrade
from service.database.tables import approvals
from tests.waiting import until

NOW = datetime(2026, 1, 2, tzinfo=UTC)
RECORD = uuid4()


@pytest.fixture
def store(database: Engine) -> ApprovalStore:
    return ApprovalStore(database, lambda: NOW)


def add(store: ApprovalStore, **changes: Any) -> UUID:
    fields: dict[str, Any] = {
        "id": uuid4(),
        "tenant": "acme",
        "subject": "judge",
        "record": RECORD,
        "case": None,
        "created": NOW,
        "expires": NOW + timedelta(hours=1),
    }
    approval = Approval(**(fields | changes))
    store.add(approval)
    return approval.id


def claim(store: ApprovalStore, **changes: Any) -> UUID | None:
    fields: dict[str, Any] = {"record": RECORD, "case": None, "but": "court", "attempt": uuid4(), "once": True}
    tenant = changes.pop("tenant", "acme")
    return store.claim(tenant, **(fields | changes))


def test_the_one_that_expires_first_is_used_first_and_each_once(store: ApprovalStore) -> None:
    later, sooner = add(store), add(store, expires=NOW + timedelta(minutes=1))
    assert [claim(store) for _ in range(3)] == [sooner, later, None]


def test_what_does_not_count(store: ApprovalStore) -> None:
    add(store, subject="court")
    add(store, tenant="globex")
    add(store, record=uuid4())
    add(store, record=None, case="7/26")
    add(store, expires=NOW)
    assert claim(store) is None
    assert claim(store, case="8/26") is None
    assert claim(store, case="7/26") is not None


def test_one_that_counts_until_it_expires_is_used_again(store: ApprovalStore) -> None:
    given = add(store)
    assert [claim(store, once=False) for _ in range(2)] == [given, given]
    assert claim(store) is None


def test_what_is_released_can_be_claimed_again(store: ApprovalStore) -> None:
    given, attempt = add(store), uuid4()
    assert claim(store, attempt=attempt) == given
    store.release(uuid4())
    assert claim(store) is None
    store.release(attempt)
    assert claim(store) == given


def test_one_that_may_be_used_again_is_never_given_back(store: ApprovalStore) -> None:
    given, failed = add(store), uuid4()
    assert [claim(store, once=False), claim(store, once=False, attempt=failed)] == [given, given]
    store.release(failed)
    assert claim(store, once=True) is None
    assert claim(store, once=False) == given


def test_of_many_at_once_a_single_one_gets_it(store: ApprovalStore) -> None:
    given = add(store)
    together = Barrier(6)

    def attempt(_: int) -> UUID | None:
        together.wait()
        return claim(store)

    with ThreadPoolExecutor(6) as pool:
        results = list(pool.map(attempt, range(6)))
    assert sorted(map(str, results)) == sorted([str(given), *["None"] * 5])


def test_one_that_was_used_while_waiting_for_it_counts_no_more(postgres_url: str) -> None:
    """SQLite has one writer at a time; PostgreSQL lets a second one see what the first is about to use."""
    engine = make_engine(postgres_url)
    upgrade(engine)
    store = ApprovalStore(engine, lambda: NOW)
    add(store)
    with ThreadPoolExecutor(1) as pool:
        with transaction(engine) as first:
            first.execute(update(approvals).values(used=NOW, used_by=uuid4()))
            second = pool.submit(claim, store)
            until(lambda: _somebody_waits(engine))
        assert second.result() is None
    engine.dispose()


def _somebody_waits(engine: Engine) -> bool:
    with transaction(engine) as connection:
        return bool(connection.exec_driver_sql("SELECT count(*) FROM pg_locks WHERE NOT granted").scalar_one())


def test_it_is_for_a_record_or_for_a_case(store: ApprovalStore) -> None:
    for changes in ({"record": None}, {"case": "7/26"}):
        with pytest.raises(ValueError, match="record or for a case"):
            add(store, **changes)
