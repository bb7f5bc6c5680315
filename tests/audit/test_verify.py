"""Any changed, removed, reordered or inserted entry is named, without a checkpoint from outside."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine, delete, text, update

from service.audit.checkpoint import Checkpoint, sign_checkpoint
from service.audit.head import split_hashes
from service.audit.log import AuditLog
from service.audit.tree import CompactRange, leaf_hash
from service.database.engine import transaction
from service.database.tables import audit_entries, audit_heads
from tests.audit.ledger import ORIGIN, SIGNER, fill, findings
from tests.audit.thief import SIZE, THIEF, Row, names, newest, replace_rows, rows_of, stolen, tampering


def test_an_untouched_log_is_clean(database: Engine) -> None:
    log = AuditLog(database, SIGNER)
    for _ in range(11):
        fill(log, 1)
        assert findings(database, newest(database)) == []
        assert [f.code for f in findings(database)] == ["no-outside-checkpoint"]


def test_a_log_that_is_not_there_is_clean_but_called_empty(database: Engine) -> None:
    assert [f.code for f in findings(database)] == ["empty", "no-outside-checkpoint"]


places = st.integers(0, SIZE - 1)


@given(places, st.data())
def test_a_changed_entry_is_named(original: Path, index: int, data: st.DataObject) -> None:
    def change(rows: list[Row]) -> list[Row]:
        field = data.draw(st.sampled_from(["body", "proof", "checkpoint"]))
        if field == "checkpoint":
            note = rows[index][field]
            at = data.draw(st.integers(0, len(note) - 1))
            rows[index][field] = note[:at] + ("B" if note[at] == "A" else "A") + note[at + 1 :]
        else:
            content = rows[index][field] or bytes(32)
            at = data.draw(st.integers(0, len(content) - 1))
            rows[index][field] = (
                content[:at] + bytes([content[at] ^ data.draw(st.integers(1, 255))]) + content[at + 1 :]
            )
        return rows

    with stolen(original) as engine:
        kept = newest(engine)
        replace_rows(engine, change, renumber=False)
        # Behind all signatures that hold, a change cannot be told from an insertion.
        found = findings(engine)
        assert names(found, "changed", index) or (index == SIZE - 1 and names(found, "inserted", index))
        assert tampering(findings(engine, kept))
        assert tampering(findings(engine, tenant="globex")) == []


@given(places, st.booleans())
def test_a_removed_entry_is_named(original: Path, index: int, renumber: bool) -> None:
    with stolen(original) as engine:
        kept = newest(engine)
        replace_rows(engine, lambda rows: [*rows[:index], *rows[index + 1 :]], renumber)
        if index < SIZE - 1:
            assert names(findings(engine), "missing", index)
        assert names(findings(engine, kept), "missing" if index < SIZE - 1 else "rolled-back", index)


@given(st.permutations(range(SIZE)).filter(lambda order: order != sorted(order)))
def test_reordered_entries_are_named(original: Path, order: list[int]) -> None:
    with stolen(original) as engine:
        replace_rows(engine, lambda rows: [rows[i] for i in order], renumber=True)
        found = findings(engine)
        for index, entry in enumerate(order):
            if index != entry:
                assert names(found, "moved", entry)


@given(st.integers(0, SIZE), st.one_of(st.none(), places), st.booleans())
def test_an_inserted_entry_is_named(original: Path, index: int, copied: int | None, signed: bool) -> None:
    def change(rows: list[Row]) -> list[Row]:
        new = dict(rows[copied if copied is not None else 0])
        if copied is None:
            new["body"] = new["body"].replace(b"a theft", b"a whim!")
            tree = CompactRange.of(leaf_hash(row["body"]) for row in rows[:index])
            grown = tree.push(leaf_hash(new["body"]))
            new["proof"] = b"".join(tree.next_proof())
            if signed:
                new["checkpoint"] = sign_checkpoint(Checkpoint(ORIGIN, grown.size, grown.root()), THIEF)
        return [*rows[:index], new, *rows[index:]]

    with stolen(original) as engine:
        replace_rows(engine, change, renumber=True)
        found = findings(engine)
        if copied is None:
            assert names(found, "inserted", index)
        else:
            assert "inserted" in [finding.code for finding in found]


@given(st.integers(0, SIZE - 1))
def test_a_lazily_truncated_log_is_named_by_itself(original: Path, size: int) -> None:
    with stolen(original) as engine:
        with transaction(engine) as connection:
            connection.execute(
                delete(audit_entries).where(audit_entries.c.tenant == "acme", audit_entries.c.index >= size)
            )
        assert names(findings(engine), "missing", SIZE - 1) and names(findings(engine), "missing", size)


def test_the_log_of_another_tenant_is_no_substitute(original: Path) -> None:
    with stolen(original) as engine:
        with transaction(engine) as connection:
            connection.execute(delete(audit_entries).where(audit_entries.c.tenant == "acme"))
            connection.execute(delete(audit_heads).where(audit_heads.c.tenant == "acme"))
            for table in (audit_entries, audit_heads):
                connection.execute(update(table).values(tenant="acme"))
        assert names(findings(engine), "inserted", 0)
        assert "checkpoint" in [finding.code for finding in findings(engine)]


@pytest.mark.parametrize(
    "column", ["attempt = '00000000000000000000000000000001'", "kind = 'erase'", "time = '2020-01-01 00:00:00.000000'"]
)
def test_a_column_that_contradicts_the_body_is_named(original: Path, column: str) -> None:
    with stolen(original) as engine:
        with transaction(engine) as connection:
            connection.execute(text(f"UPDATE audit_entries SET {column} WHERE \"index\" = 3 AND tenant = 'acme'"))  # noqa: S608
        (finding,) = tampering(findings(engine))
        assert (finding.code, finding.first) == ("columns", 3)


@pytest.mark.parametrize("column", ["attempt", "kind", "time", "body", "proof", "checkpoint", '"index"'])
@pytest.mark.parametrize("garbage", ["'garbage'", "NULL", "x'ff00'", "1.5", "-1"])
def test_garbage_in_any_column_is_named_and_breaks_nothing(original: Path, column: str, garbage: str) -> None:
    with stolen(original) as engine:
        with transaction(engine) as connection:
            connection.execute(text(f'UPDATE audit_entries SET {column} = {garbage} WHERE "index" = 3'))  # noqa: S608
        assert tampering(findings(engine))
        assert all("garbage" not in finding.message for finding in findings(engine))


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"checkpoint": "none"}, "checkpoint"),
        ({"checkpoint": sign_checkpoint(Checkpoint(ORIGIN, SIZE, bytes(32)), THIEF)}, "checkpoint"),
        ({"checkpoint": sign_checkpoint(Checkpoint(ORIGIN, SIZE, bytes(32)), SIGNER)}, "rewritten"),
        ({"size": 3}, "head"),
        ({"edge": b"short"}, "head"),
    ],
)
def test_a_changed_head_is_named(original: Path, change: dict[str, object], code: str) -> None:
    with stolen(original) as engine:
        with transaction(engine) as connection:
            connection.execute(update(audit_heads).values(**change))
        assert [finding.code for finding in tampering(findings(engine))] == [code]


def test_an_older_stored_checkpoint_is_named(original: Path) -> None:
    with stolen(original) as engine:
        with transaction(engine) as connection:
            older = rows_of(connection)[4]["checkpoint"]
            connection.execute(update(audit_heads).values(checkpoint=older))
        assert [finding.code for finding in tampering(findings(engine))] == ["checkpoint"]


def test_hashes_of_a_wrong_length_are_never_taken_for_a_proof() -> None:
    assert [len(part) for part in split_hashes(bytes(70))] == [32, 32, 6]
