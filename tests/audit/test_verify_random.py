"""Whatever is done to the rows, ``visard audit verify`` says so: by chance, not by kind."""

import io
import os
from collections.abc import Callable
from contextlib import redirect_stdout
from pathlib import Path
from unittest.mock import patch

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from sqlalchemy import Engine, delete, insert, select, update

from service.audit.checkpoint import Checkpoint, sign_checkpoint
from service.audit.signing import public_pem
from service.audit.tree import CompactRange, leaf_hash
from service.database.engine import transaction
from service.database.tables import audit_entries, audit_heads
from tests.audit.ledger import ORIGIN, SIGNER
from tests.audit.thief import THIEF, Row, newest, rows_of, stolen
from tests.commands.visard import visard

Draw = Callable[[st.SearchStrategy[int]], int]


def _place(draw: Draw, rows: list[Row]) -> int:
    return draw(st.integers(0, len(rows) - 1))


def _change(draw: Draw, rows: list[Row]) -> None:
    """Another byte, or character, somewhere in a row."""
    row = rows[_place(draw, rows)]
    name = ("body", "proof", "checkpoint")[draw(st.integers(0, 2))]
    content = row[name] or bytes(32)
    at, by = draw(st.integers(0, len(content) - 1)), draw(st.integers(1, 127))
    if isinstance(content, str):
        row[name] = content[:at] + chr((ord(content[at]) + by) % 128) + content[at + 1 :]
    else:
        row[name] = content[:at] + bytes([content[at] ^ by]) + content[at + 1 :]


def _remove(draw: Draw, rows: list[Row]) -> None:
    del rows[_place(draw, rows)]


def _move(draw: Draw, rows: list[Row]) -> None:
    row = rows.pop(_place(draw, rows))
    rows.insert(draw(st.integers(0, len(rows))), row)


def _copy(draw: Draw, rows: list[Row]) -> None:
    rows.insert(draw(st.integers(0, len(rows))), dict(rows[_place(draw, rows)]))


def _exchange(draw: Draw, rows: list[Row]) -> None:
    """Two rows swap a column."""
    one, other = rows[_place(draw, rows)], rows[_place(draw, rows)]
    names = sorted(one)
    name = names[draw(st.integers(0, len(names) - 1))]
    one[name], other[name] = other[name], one[name]


def _forge(draw: Draw, rows: list[Row]) -> None:
    """A new row as good as it gets without the signing key."""
    at = draw(st.integers(0, len(rows)))
    new = dict(rows[_place(draw, rows)])
    new["body"] = new["body"].replace(b"alice", b"mallory") + b" "
    tree = CompactRange.of(leaf_hash(row["body"]) for row in rows[:at])
    grown = tree.push(leaf_hash(new["body"]))
    new["proof"] = b"".join(tree.next_proof())
    new["checkpoint"] = sign_checkpoint(Checkpoint(ORIGIN, grown.size, grown.root()), THIEF)
    rows.insert(at, new)


MUTATIONS = [_change, _remove, _move, _copy, _exchange, _forge]


@pytest.fixture(scope="module")
def public_key(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("kept") / "public.pem"
    path.write_text(public_pem(SIGNER.public_key))
    return path


@given(data=st.data())
def test_no_mutation_goes_unnoticed(original: Path, public_key: Path, data: st.DataObject) -> None:
    with stolen(original) as engine:
        kept = public_key.with_name("acme.checkpoint")
        kept.write_text(newest(engine))
        before = _state(engine)
        _mutate(engine, data)
        assume(_state(engine) != before)
        code, said = _verified(engine, kept, public_key)
        assert code == 1, said
        assert "acme: tampering: " in said and "globex: tampering" not in said


def _mutate(engine: Engine, data: st.DataObject) -> None:
    """One to three changes of the rows, and a head that is left alone or fits them as well as it can."""
    with transaction(engine) as connection:
        rows = rows_of(connection)
        for mutation in data.draw(st.lists(st.sampled_from(MUTATIONS), min_size=1, max_size=3)):
            mutation(data.draw, rows)
        if data.draw(st.booleans()):
            rows = [{**row, "index": index} for index, row in enumerate(rows)]
        connection.execute(delete(audit_entries).where(audit_entries.c.tenant == "acme"))
        connection.execute(insert(audit_entries), rows)
        if data.draw(st.booleans()):
            tree = CompactRange.of(leaf_hash(row["body"]) for row in rows)
            head = {"size": tree.size, "edge": b"".join(tree.edge), "checkpoint": rows[-1]["checkpoint"]}
            connection.execute(update(audit_heads).where(audit_heads.c.tenant == "acme").values(head))


def _state(engine: Engine) -> tuple[list[str], list[str]]:
    """All there is, in any order."""
    with transaction(engine) as connection:
        heads = [repr(row) for row in connection.execute(select(audit_heads))]
        return sorted(repr(sorted(row.items())) for row in rows_of(connection)), sorted(heads)


def _verified(engine: Engine, kept: Path, public_key: Path) -> tuple[int, str]:
    """Exit code and output of the command."""
    environment = {"VISARD_HOME": str(kept.parent), "VISARD_DATABASE_URL": f"sqlite:///{engine.url.database}"}
    with patch.dict(os.environ, environment), redirect_stdout(io.StringIO()) as said:
        code = visard("audit", "verify", "--checkpoint", kept, "--public-key", public_key)
    return code, said.getvalue()
