"""With a checkpoint from outside, rollback, truncation and rewritten history are named."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import delete

from service.audit.checkpoint import Checkpoint, sign_checkpoint
from service.audit.export import export_lines, read_export
from service.audit.log import AuditLog
from service.audit.stored import stored_log
from service.audit.tree import CompactRange, leaf_hash
from service.audit.verify import verify_entries
from service.database.engine import transaction
from service.database.tables import audit_entries, audit_heads
from service.errors import AuditExportDamaged, CheckpointInvalid
from tests.audit.ledger import ORIGIN, SIGNER, fill, findings
from tests.audit.thief import SIZE, THIEF, Row, names, newest, replace_rows, rows_of, stolen, tampering

places = st.integers(0, SIZE - 1)


@given(st.integers(1, SIZE - 1))
def test_a_truncated_log_is_named_with_a_checkpoint_from_outside_and_only_then(original: Path, size: int) -> None:
    with stolen(original) as engine:
        kept = newest(engine)
        replace_rows(engine, lambda rows: rows[:size], renumber=False)
        assert [f.code for f in findings(engine)] == ["no-outside-checkpoint"]
        (finding,) = findings(engine, kept)
        assert (finding.code, finding.first, finding.last) == ("rolled-back", size, SIZE - 1)


@given(places)
def test_history_rewritten_and_signed_by_the_thief_is_named(original: Path, index: int) -> None:
    def change(rows: list[Row]) -> list[Row]:
        rows[index]["body"] = rows[index]["body"].replace(b"acme", b"ACME")
        tree = CompactRange()
        for row in rows:
            row["proof"] = b"".join(tree.next_proof())
            tree = tree.push(leaf_hash(row["body"]))
            if row["index"] >= index:
                row["checkpoint"] = sign_checkpoint(Checkpoint(ORIGIN, tree.size, tree.root()), THIEF)
        return rows

    with stolen(original) as engine:
        kept = newest(engine)
        replace_rows(engine, change, renumber=False)
        assert "checkpoint" in [finding.code for finding in findings(engine)]
        assert names(findings(engine, kept), "rolled-back", SIZE - 1)
        with stored_log(engine, "acme") as log:
            forged = verify_entries(log, ORIGIN, SIGNER.public_key, newest(engine))
        assert [f.code for f in forged if "outside" in f.message] == ["checkpoint"]


def test_a_restored_backup_that_the_service_went_on_with_is_named(original: Path) -> None:
    with stolen(original) as backup, stolen(original) as engine:
        fill(AuditLog(engine, SIGNER), 3)
        kept = newest(engine)
        fill(AuditLog(backup, SIGNER), 5)
        assert tampering(findings(backup)) == []
        (finding,) = findings(backup, kept)
        assert (finding.code, finding.last) == ("rewritten", SIZE + 2)
        assert [f.code for f in findings(engine, kept)] == []


def test_two_histories_mixed_are_named(original: Path) -> None:
    with stolen(original) as other, stolen(original) as engine:
        fill(AuditLog(engine, SIGNER), 3)
        fill(AuditLog(other, SIGNER), 3)
        with transaction(other) as connection:
            foreign = rows_of(connection)
        replace_rows(engine, lambda rows: [*rows[: SIZE + 1], *foreign[SIZE + 1 :]], renumber=False)
        assert names(findings(engine), "rewritten", SIZE + 1)


def test_two_histories_mixed_in_an_export_are_refused_out_of_order(original: Path) -> None:
    with stolen(original) as other, stolen(original) as engine:
        fill(AuditLog(engine, SIGNER), 3)
        fill(AuditLog(other, SIGNER), 4)
        with stored_log(engine, "acme") as log:
            lines = list(export_lines(log))
        with stored_log(other, "acme") as log:
            foreign = list(export_lines(log))
        first, second, *rest = [*foreign[: SIZE + 2], lines[SIZE + 2], *foreign[SIZE + 3 :]]
        mixed = verify_entries(read_export([first, second, *rest]), ORIGIN, SIGNER.public_key, newest(engine))
        assert names(mixed, "rewritten", SIZE + 2)
        with pytest.raises(AuditExportDamaged, match="not in order"):
            read_export([second, first, *rest])


def test_a_log_removed_as_a_whole_is_named_from_outside(original: Path) -> None:
    with stolen(original) as engine:
        kept = newest(engine)
        with transaction(engine) as connection:
            connection.execute(delete(audit_entries))
            connection.execute(delete(audit_heads))
        (finding,) = tampering(findings(engine, kept))
        assert (finding.code, finding.first, finding.last) == ("rolled-back", 0, SIZE - 1)


def test_a_checkpoint_of_another_log_is_bad_input(original: Path) -> None:
    foreign = sign_checkpoint(Checkpoint("visard/globex", 1, bytes(32)), SIGNER)
    with stolen(original) as engine:
        for note in (foreign, "nonsense"):
            with pytest.raises(CheckpointInvalid):
                findings(engine, note)
