"""What someone can do who owns the database but not the signing key."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import Connection, Engine, delete, event, insert, select, update

from service.audit.proofs import AuditProofs
from service.audit.signing import LocalSigner
from service.audit.tree import CompactRange, leaf_hash
from service.audit.verify import Finding
from service.database.engine import make_engine, transaction
from service.database.tables import audit_entries, audit_heads

SIZE = 9
THIEF = LocalSigner(Ed25519PrivateKey.from_private_bytes(b"\x09" * 32))
Row = dict[str, Any]


@contextmanager
def stolen(original: Path) -> Iterator[Engine]:
    """A copy whose owner took the triggers and constraints away."""
    with TemporaryDirectory() as directory:
        path = shutil.copy(original, directory)
        engine = make_engine(f"sqlite:///{path}")
        event.listen(engine, "connect", lambda connection, _: connection.execute("PRAGMA synchronous=OFF"))
        with transaction(engine) as connection:
            for verb in ("update", "delete"):
                connection.exec_driver_sql(f"DROP TRIGGER audit_entries_no_{verb}")
            connection.exec_driver_sql("CREATE TABLE bare AS SELECT * FROM audit_entries")
            connection.exec_driver_sql("DROP TABLE audit_entries")
            connection.exec_driver_sql("ALTER TABLE bare RENAME TO audit_entries")
        yield engine
        engine.dispose()


def rows_of(connection: Connection) -> list[Row]:
    query = select(audit_entries).where(audit_entries.c.tenant == "acme").order_by(audit_entries.c.index)
    return [dict(row) for row in connection.execute(query).mappings()]


def replace_rows(engine: Engine, change: Callable[[list[Row]], list[Row]], renumber: bool) -> None:
    """Write other rows, and the head that would fit them best without a key."""
    with transaction(engine) as connection:
        rows = change(rows_of(connection))
        if renumber:
            rows = [{**row, "index": index} for index, row in enumerate(rows)]
        connection.execute(delete(audit_entries).where(audit_entries.c.tenant == "acme"))
        connection.execute(insert(audit_entries), rows)
        tree = CompactRange.of(leaf_hash(row["body"]) for row in rows)
        head = {"size": tree.size, "edge": b"".join(tree.edge), "checkpoint": rows[-1]["checkpoint"]}
        connection.execute(update(audit_heads).where(audit_heads.c.tenant == "acme").values(head))


def tampering(found: list[Finding]) -> list[Finding]:
    return [finding for finding in found if finding.severity == "tampering"]


def names(found: list[Finding], code: str, index: int) -> bool:
    return any(
        f.code == code and f.first is not None and f.last is not None and f.first <= index <= f.last for f in found
    )


def newest(engine: Engine) -> str:
    note = AuditProofs(engine).checkpoint("acme")
    assert note is not None
    return note
