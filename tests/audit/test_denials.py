"""A denial and its notices: committed together, and the same to whoever was denied whether there are any or not."""

from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import pytest
from sqlalchemy import Engine, update

from service.audit.appending import NewEntry
from service.audit.checkpoint import SignedCheckpoint
from service.audit.entry import Kind
from service.audit.log import AuditLog
from service.audit.verify import Severity
from service.database.engine import writing
from service.database.tables import audit_heads
from service.errors import AuditTampered, AuditUnavailable
from tests.audit.ledger import SIGNER, TIME, attempt, bodies, fill, findings, outcome


@pytest.fixture
def log(database: Engine) -> AuditLog:
    return AuditLog(database, SIGNER)


def _notice(tenant: str) -> NewEntry:
    return NewEntry.of(tenant, Kind.FOREIGN_ATTEMPT, uuid4(), TIME, {"by_tenant": "somebody"})


def _deny(log: AuditLog, tenant: str, *others: str) -> list[BaseException | None]:
    """One denial with a notice for each of the others; what it left to be done is done."""
    made = attempt(tenant)
    log.intend(made)
    left = log.conclude_denied(outcome(made.id), [_notice(other) for other in others])
    with ThreadPoolExecutor(1) as pool:
        return [pool.submit(rest).exception() for rest in left]


def _kinds(database: Engine, tenant: str) -> list[str]:
    return [said["kind"] for said in bodies(database, tenant)]


def _intact(database: Engine, tenant: str) -> bool:
    return not any(found.severity is Severity.TAMPERING for found in findings(database, tenant=tenant))


@pytest.mark.parametrize("others", [(), ("acme",), ("globex",), ("acme", "globex")])
def test_every_log_gets_its_entry_and_no_other(others: tuple[str, ...], log: AuditLog, database: Engine) -> None:
    _deny(log, "evil", *others)
    assert _kinds(database, "evil") == ["intent", "outcome"]
    for tenant in ("acme", "globex"):
        assert _kinds(database, tenant) == ["foreign-attempt"] * (tenant in others)
        assert _intact(database, tenant)
    fill(log, 1, "evil")
    assert _intact(database, "evil")


def test_a_denial_that_cannot_be_committed_tells_nobody(log: AuditLog, database: Engine) -> None:
    made = attempt("evil")
    log.intend(made)
    log.conclude(outcome(made.id))
    with pytest.raises(AuditUnavailable):
        log.conclude_denied(outcome(made.id), [_notice("acme")])
    assert _kinds(database, "acme") == []


def test_denials_in_both_directions_do_not_wait_for_each_other(log: AuditLog, database: Engine) -> None:
    pairs = [("acme", "globex"), ("globex", "acme")] * 10
    with ThreadPoolExecutor(4) as pool:
        left = list(pool.map(lambda pair: _deny(log, *pair), pairs))
    # To ship the other's checkpoint, and no notice that has to be tried again.
    assert left == [[None]] * len(pairs)
    for tenant in ("acme", "globex"):
        assert sorted(_kinds(database, tenant)) == ["foreign-attempt"] * 10 + ["intent"] * 10 + ["outcome"] * 10
        assert _intact(database, tenant)


@pytest.mark.parametrize("owner", ["acme", "zeta"])
def test_a_log_that_takes_nothing_hinders_no_denial(owner: str, log: AuditLog, database: Engine) -> None:
    fill(log, 2, owner)
    with writing(database) as connection:
        connection.execute(update(audit_heads).where(audit_heads.c.tenant == owner).values(edge=bytes(32)))
    (error,) = _deny(log, "evil", owner)
    assert isinstance(error, AuditTampered)
    assert _kinds(database, "evil") == ["intent", "outcome"]
    assert _kinds(database, owner) == ["intent", "outcome"]
    assert _intact(database, "evil")


def test_no_second_checkpoint_of_one_size_is_ever_signed(log: AuditLog, monkeypatch: pytest.MonkeyPatch) -> None:
    """It would prove that the log was rewritten, whoever came by it."""
    signed: list[bytes] = []
    real = type(SIGNER).sign

    def sign(self: object, message: bytes) -> bytes:
        signed.append(message)
        return real(SIGNER, message)

    monkeypatch.setattr(type(SIGNER), "sign", sign)
    for _ in range(3):
        _deny(log, "evil")
    texts = [message.decode() for message in signed]
    checkpoints = [text for text in texts if text.count("\n") == 3]
    assert len(texts) - len(checkpoints) == 3
    assert len({text.split("\n")[1] for text in checkpoints}) == len(checkpoints)
    for text in checkpoints:
        SignedCheckpoint.parse(f"{text}\n— x eHh4eHh4\n")
