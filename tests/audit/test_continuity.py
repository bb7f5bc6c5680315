"""One checkpoint continues another only if the entries between them lead there, whatever a database holds."""

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine

from service.audit.checkpoint import Checkpoint, SignedCheckpoint
from service.audit.continuity import StoredHistory
from service.audit.log import AuditLog
from service.audit.tree import EMPTY_ROOT
from service.database.engine import transaction
from tests.audit.ledger import ORIGIN, SIGNER, fill
from tests.audit.thief import SIZE, Row, replace_rows, rows_of, stolen

sizes = st.integers(0, SIZE)


def checkpoints_of(engine: Engine) -> list[Checkpoint]:
    """Of every size, from the receipts."""
    with transaction(engine) as connection:
        signed = [SignedCheckpoint.parse(row["checkpoint"]).checkpoint for row in rows_of(connection)]
    return [Checkpoint(ORIGIN, 0, EMPTY_ROOT), *signed]


def test_of_two_checkpoints_of_a_log_the_larger_continues_the_smaller(database: Engine) -> None:
    fill(AuditLog(database, SIGNER), SIZE)
    fill(AuditLog(database, SIGNER), 3, "globex")
    known, history = checkpoints_of(database), StoredHistory(database)
    for first in known:
        for second in known:
            assert history.continues("acme", first, second) == (first.size <= second.size)
    assert not history.continues("globex", known[1], known[2])
    assert not history.continues("acme", replace(known[1], origin="visard/globex"), known[2])


@given(sizes, st.integers(0, 3), st.integers(1, 3))
def test_none_continues_one_of_a_history_that_was_left(original: Path, size: int, more: int, other: int) -> None:
    with stolen(original) as left, stolen(original) as gone_on:
        fill(AuditLog(left, SIGNER), 1 + more)
        fill(AuditLog(gone_on, SIGNER), other)
        left_behind, history = checkpoints_of(left), StoredHistory(gone_on)
        for known in checkpoints_of(gone_on):
            for lost in left_behind[SIZE + 1 :]:
                assert not history.continues("acme", known, lost)
                assert not history.continues("acme", lost, known)
        assert history.continues("acme", left_behind[size], known)


def _without_proof(row: Row) -> None:
    row["proof"] = row["proof"][:-1]


def _another_body(row: Row) -> None:
    row["body"] += b" "


def _no_bytes(row: Row) -> None:
    row.update(body=b"", proof=None)


@pytest.mark.parametrize("spoil", [_without_proof, _another_body, _no_bytes, Row.clear])
def test_what_was_tampered_with_proves_nothing(original: Path, spoil: object) -> None:
    def change(rows: list[Row]) -> list[Row]:
        spoil(rows[5])
        return [row for row in rows if row]

    with stolen(original) as engine:
        known = checkpoints_of(engine)
        replace_rows(engine, change, renumber=False)
        history = StoredHistory(engine)
        assert not history.continues("acme", known[5], known[8])
        assert history.continues("acme", known[6], known[8])
        assert history.continues("acme", known[2], known[5])
