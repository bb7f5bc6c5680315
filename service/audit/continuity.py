"""Whether a log went on from one checkpoint to another: proved by the entries between them, whoever owns these."""

from collections.abc import Iterator
from itertools import chain
from typing import Protocol

from sqlalchemy import Engine, select

from service.audit.checkpoint import Checkpoint
from service.audit.head import split_hashes
from service.audit.stored import StoredEntry, raw_columns, read_entry
from service.audit.tree import CompactRange, leaf_hash
from service.database.engine import by_portions, snapshot
from service.database.tables import audit_entries


class History(Protocol):
    """Knows how logs went on."""

    def continues(self, tenant: str, earlier: Checkpoint, later: Checkpoint) -> bool:
        """Whether the tree of ``earlier`` is the beginning of that of ``later``.

        Raises:
            DatabaseUnavailable: nobody knows now.
        """
        ...


class StoredHistory:
    """Proves it with the entries of a database, which is trusted in nothing.

    Beside the first entry behind the earlier tree stands its inclusion proof, which is that tree's edge; no other
    edge has the earlier root. With the bodies up to the later tree, the later root must come out. So it takes the
    rows between the two, one as a rule, where a proof of RFC 6962 takes the whole log.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def continues(self, tenant: str, earlier: Checkpoint, later: Checkpoint) -> bool:
        """Whether the entries lead from one to the other; see ``History``.

        Raises:
            DatabaseUnavailable: it did not answer.
        """
        if earlier.origin != later.origin or earlier.size >= later.size:
            return earlier == later
        entry = audit_entries.c
        between = (entry.tenant == tenant, entry.index >= earlier.size, entry.index < later.size)
        query = select(*raw_columns(audit_entries)).where(*between).order_by(entry.index)
        with snapshot(self._engine) as connection, connection.execute(by_portions(query)) as result:
            return _lead(map(read_entry, result.mappings()), earlier, later)


def _lead(entries: Iterator[StoredEntry], earlier: Checkpoint, later: Checkpoint) -> bool:
    first = next(entries, None)
    if first is None:
        return False
    try:
        tree = CompactRange(earlier.size, split_hashes(first.proof)[::-1])
    except ValueError:
        return False
    if tree.root() != earlier.root:
        return False
    for entry in chain((first,), entries):
        tree = tree.push(leaf_hash(entry.body))
    return (tree.size, tree.root()) == (later.size, later.root)
