"""The audit log: committed, gapless per tenant, signed, loud when it fails, closed to changes."""

import base64
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Thread
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Engine, text, update
from sqlalchemy.exc import DBAPIError

from service.audit.checkpoint import Checkpoint, SignedCheckpoint, sign_checkpoint
from service.audit.continuity import StoredHistory
from service.audit.entry import Kind, Outcome, Result
from service.audit.log import AuditLog
from service.audit.proofs import AuditProofs
from service.audit.shipping import FileShipper
from service.audit.tree import leaf_hash, verify_consistency, verify_inclusion
from service.database.engine import make_engine, transaction, writing
from service.database.tables import audit_entries, audit_heads
from service.errors import (
    AuditRangeInvalid,
    AuditTampered,
    AuditUnavailable,
    AuditValueInvalid,
    CheckpointNotShipped,
    DatabaseUnavailable,
    KeysUnavailable,
)
from tests.audit.ledger import ORIGIN, SIGNER, TIME, attempt, bodies, entries, fill, findings, outcome
from tests.audit.thief import THIEF
from tests.waiting import until


@pytest.fixture
def log(database: Engine) -> AuditLog:
    return AuditLog(database, SIGNER)


def test_intent_and_outcome_are_kept_as_they_were_committed(log: AuditLog, database: Engine) -> None:
    made = attempt()
    end = outcome(made.id)
    log.intend(made)
    log.conclude(end)
    first, second = entries(database)
    common = {"attempt": str(made.id), "tenant": "acme", "time": "2026-01-02T03:04:05.000006+00:00"}
    assert (first.index, first.columns) == (0, {**common, "kind": "intent"})
    assert (second.index, second.columns) == (1, {**common, "kind": "outcome"})
    assert json.loads(first.body) == {**common, "kind": "intent", **made.fields()}
    assert json.loads(second.body) == {**common, "kind": "outcome", **end.fields()}


def test_each_entry_is_committed_before_the_call_returns(log: AuditLog, database: Engine) -> None:
    log.intend(attempt())
    other = make_engine(database.url.render_as_string(hide_password=False))
    assert len(entries(other)) == 1
    other.dispose()


def test_each_entry_has_a_receipt_that_proves_its_place(log: AuditLog, database: Engine) -> None:
    fill(log, 9)
    for entry in entries(database):
        assert entry.index is not None
        signed = SignedCheckpoint.parse(entry.checkpoint)
        assert signed.signed_by(SIGNER.public_key)
        assert (signed.checkpoint.origin, signed.checkpoint.size) == (ORIGIN, entry.index + 1)
        proof = [entry.proof[i : i + 32] for i in range(0, len(entry.proof), 32)]
        leaf = leaf_hash(entry.body)
        assert verify_inclusion(leaf, entry.index, entry.index + 1, proof, signed.checkpoint.root)


def test_proofs_hold_between_an_older_and_the_newest_checkpoint(log: AuditLog, database: Engine) -> None:
    proofs = AuditProofs(database)
    assert proofs.checkpoint("acme") is None
    fill(log, 7)
    newest = SignedCheckpoint.parse(proofs.checkpoint("acme") or "").checkpoint
    assert newest.size == 7
    for entry in entries(database):
        assert entry.index is not None
        proof = proofs.inclusion("acme", entry.index, 7)
        assert verify_inclusion(leaf_hash(entry.body), entry.index, 7, proof, newest.root)
        old = SignedCheckpoint.parse(entry.checkpoint).checkpoint
        steps = proofs.consistency("acme", old.size, 7)
        assert verify_consistency(old.size, 7, steps, old.root, newest.root)
    for index, size in ((7, 7), (-1, 7), (0, 8)):
        with pytest.raises(AuditRangeInvalid):
            proofs.inclusion("acme", index, size)
    for first, second in ((5, 4), (-1, 4), (0, 8)):
        with pytest.raises(AuditRangeInvalid):
            proofs.consistency("acme", first, second)


def test_tenants_count_for_themselves_and_see_only_their_own(log: AuditLog, database: Engine) -> None:
    attempts = [attempt("acme"), attempt("globex"), attempt("acme")]
    for one in attempts:
        log.intend(one)
    log.conclude(outcome(attempts[1].id))
    assert [said["attempt"] for said in bodies(database)] == [str(attempts[0].id), str(attempts[2].id)]
    assert [said["kind"] for said in bodies(database, "globex")] == ["intent", "outcome"]
    for tenant, size in (("acme", 2), ("globex", 2), ("nobody", 0)):
        assert [entry.index for entry in entries(database, tenant)] == list(range(size))


def test_attempts_at_the_same_time_leave_no_gap(database: Engine) -> None:
    def attempts() -> None:
        log = AuditLog(database, SIGNER)
        for _ in range(3):
            made = attempt()
            log.intend(made)
            log.conclude(outcome(made.id))

    threads = [Thread(target=attempts) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [entry.index for entry in entries(database)] == list(range(24))
    assert len({(said["attempt"], said["kind"]) for said in bodies(database)}) == 24
    assert [finding.code for finding in findings(database)] == ["no-outside-checkpoint"]


def test_an_attempt_ends_once_and_not_without_an_intent(log: AuditLog, database: Engine) -> None:
    made = attempt()
    with pytest.raises(AuditUnavailable):
        log.conclude(outcome(made.id))
    log.intend(made)
    log.conclude(outcome(made.id))
    with pytest.raises(AuditUnavailable):
        log.conclude(outcome(made.id))
    assert len(entries(database)) == 2


def test_a_log_that_cannot_be_written_is_loud(empty_database: Engine) -> None:
    log = AuditLog(empty_database, SIGNER)
    with pytest.raises(AuditUnavailable, match="nothing was recovered"):
        log.intend(attempt())
    with pytest.raises(AuditUnavailable, match="withheld"):
        log.conclude(outcome(uuid4()))
    with pytest.raises(DatabaseUnavailable):
        entries(empty_database)


def test_any_other_entry_is_appended_the_same_way(log: AuditLog, database: Engine) -> None:
    log.append("acme", Kind.ERASE, UUID(int=5), {"subject": "bob", "count": 2, "case": None}, TIME)
    (said,) = bodies(database)
    assert (said["kind"], said["count"]) == ("erase", 2)
    with pytest.raises(AuditValueInvalid):
        log.append("acme", Kind.ERASE, UUID(int=6), {"count": 2**53}, TIME)
    assert len(entries(database)) == 1
    assert SignedCheckpoint.parse(AuditProofs(database).checkpoint("acme") or "").checkpoint.size == 1


def test_only_attempts_whose_lease_ended_are_closed_and_only_once(log: AuditLog, database: Engine) -> None:
    dead, alive, ended = attempt(), attempt("globex", lease=timedelta(hours=1)), attempt()
    for one in (dead, alive, ended):
        log.intend(one)
    log.conclude(outcome(ended.id))
    soon = TIME + timedelta(minutes=15)
    released: list[UUID] = []

    def interrupt(one: UUID, now: datetime = soon) -> bool:
        return log.interrupt(one, now, lambda _, freed: released.append(freed))

    assert log.expired(soon - timedelta(seconds=1)) == []
    assert not interrupt(dead.id, soon - timedelta(seconds=1))
    assert log.expired(soon) == [dead.id]
    assert [interrupt(one.id) for one in (dead, dead, alive, ended)] == [True, False, False, False]
    assert log.expired(soon) == [] and released == [dead.id]
    last = bodies(database)[-1]
    assert (last["attempt"], last["result"], last["detail"]) == (str(dead.id), "interrupted", "lease-expired")
    with pytest.raises(AuditUnavailable, match="withheld"):
        log.conclude(outcome(dead.id))
    log.conclude(outcome(alive.id))


def test_an_attempt_that_goes_on_keeps_its_lease(log: AuditLog, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.audit.log._RENEWED_EVERY_S", 0.01)
    made = attempt()
    log.intend(made)
    end = made.time + made.lease
    assert log.expired(end) == [made.id]
    with log.holding(made):
        until(lambda: log.expired(end) == [])
        assert not log.interrupt(made.id, end, lambda *_: None)
    log.conclude(outcome(made.id))
    assert log.expired(datetime.max.replace(tzinfo=UTC)) == []


@pytest.mark.parametrize(
    "statement",
    ["UPDATE audit_entries SET kind = 'erase'", "DELETE FROM audit_entries", "TRUNCATE audit_entries"],
)
def test_entries_cannot_be_changed_or_removed(log: AuditLog, database: Engine, statement: str) -> None:
    if database.dialect.name == "sqlite" and statement.startswith("TRUNCATE"):
        statement = "DELETE FROM audit_entries WHERE kind = 'intent'"
    fill(log, 2)
    with pytest.raises(DatabaseUnavailable) as caught, transaction(database) as connection:
        connection.execute(text(statement))
    assert isinstance(caught.value.__cause__, DBAPIError) and "append-only" in str(caught.value.__cause__)
    assert len(entries(database)) == 2


def test_a_log_held_by_another_is_given_up_in_time(log: AuditLog, database: Engine) -> None:
    made = attempt()
    log.intend(made)
    impatient = make_engine(database.url.render_as_string(hide_password=False), patience=0.05)
    hurried = AuditLog(impatient, SIGNER)
    with writing(database) as connection:
        connection.execute(update(audit_heads).values(size=audit_heads.c.size))
        with pytest.raises(AuditUnavailable, match="nothing was recovered"):
            hurried.intend(attempt())
        with pytest.raises(AuditUnavailable, match="withheld"):
            hurried.conclude(outcome(made.id))
    hurried.conclude(outcome(made.id))
    impatient.dispose()
    assert len(entries(database)) == 2


def test_an_entry_that_cannot_be_signed_is_not_committed(log: AuditLog, database: Engine) -> None:
    class Silent:
        public_key = SIGNER.public_key

        def sign(self, message: bytes) -> bytes:
            raise KeysUnavailable("the key custody does not answer")

    log.intend(attempt())
    with pytest.raises(AuditUnavailable, match="nothing was recovered"):
        AuditLog(database, Silent()).intend(attempt())
    assert len(entries(database)) == 1
    assert [finding.code for finding in findings(database)] == ["no-outside-checkpoint"]


@pytest.mark.parametrize(
    "change",
    [
        {"size": 1, "edge": base64.b64decode("AAEC")},
        {"edge": bytes(32)},
        {"checkpoint": "none"},
        {"size": 1, "edge": bytes(32), "checkpoint": sign_checkpoint(Checkpoint(ORIGIN, 1, bytes(32)), THIEF)},
    ],
)
def test_nothing_is_signed_on_top_of_a_tree_of_someone_else(
    log: AuditLog, database: Engine, change: dict[str, object]
) -> None:
    fill(log, 4)
    with transaction(database) as connection:
        connection.execute(update(audit_heads).values(**change))
    with pytest.raises(AuditTampered):
        log.intend(attempt())
    with transaction(database) as connection:
        assert len(connection.execute(audit_entries.select()).all()) == 4


def test_a_log_is_not_begun_under_another_key_than_the_others(log: AuditLog, database: Engine) -> None:
    log.append("acme", Kind.APPROVAL, uuid4(), {}, TIME)
    with pytest.raises(AuditTampered, match="another key"):
        AuditLog(database, THIEF).append("hospital", Kind.APPROVAL, uuid4(), {}, TIME)
    # One damaged log of many keeps nobody from beginning another.
    log.append("city", Kind.APPROVAL, uuid4(), {}, TIME)
    with transaction(database) as connection:
        connection.execute(update(audit_heads).where(audit_heads.c.tenant == "acme").values(checkpoint="none"))
    log.append("hospital", Kind.APPROVAL, uuid4(), {}, TIME)
    assert [len(entries(database, tenant)) for tenant in ("acme", "city", "hospital")] == [1, 1, 1]


def test_every_checkpoint_leaves_the_database(database: Engine, tmp_path: Path) -> None:
    log = AuditLog(database, SIGNER, FileShipper(tmp_path / "outside", StoredHistory(database)))
    made = attempt()
    log.intend(made)
    log.conclude(Outcome(attempt=made.id, time=TIME, result=Result.GRANTED, detail="recovered"))
    log.append("acme", Kind.APPROVAL, made.id, {}, TIME)
    note = (tmp_path / "outside" / "acme.checkpoint").read_text()
    assert SignedCheckpoint.parse(note).checkpoint.size == 3
    assert note == AuditProofs(database).checkpoint("acme")


@pytest.mark.parametrize("failure", [CheckpointNotShipped("the folder is full"), RuntimeError("a fault")])
def test_a_checkpoint_that_does_not_leave_is_reported_and_nothing_else(database: Engine, failure: Exception) -> None:
    class Broken:
        def ship(self, tenant: str, note: str) -> None:
            raise failure

    told: list[Exception] = []
    log = AuditLog(database, SIGNER, Broken(), on_failed_shipping=told.append)
    log.intend(attempt())
    assert told == [failure]
    assert len(entries(database)) == 1
