"""What an auditor asks of a log without reading it: its newest checkpoint, and proofs against checkpoints."""

from sqlalchemy import Engine, select

from service.audit.tree import consistency_proof, inclusion_proof, leaf_hash
from service.database.engine import by_portions, snapshot
from service.database.tables import audit_entries, audit_heads
from service.errors import AuditRangeInvalid


class AuditProofs:
    """Proofs over the logs of a database. Each reads the bodies of the log, O(n)."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def checkpoint(self, tenant: str) -> str | None:
        """The newest signed checkpoint; None while the log is empty.

        Raises:
            DatabaseUnavailable: it did not answer.
        """
        query = select(audit_heads.c.checkpoint).where(audit_heads.c.tenant == tenant)
        with snapshot(self._engine) as connection:
            note: str | None = connection.execute(query).scalar_one_or_none()
        return note

    def inclusion(self, tenant: str, index: int, size: int) -> tuple[bytes, ...]:
        """That entry ``index`` is in the tree of the first ``size`` entries: 32-byte hashes, the lowest first.

        Raises:
            AuditRangeInvalid: the log has no such entry, or not so many.
            DatabaseUnavailable: it did not answer.
        """
        leaves = self._leaves(tenant, size)
        if not 0 <= index < size:
            raise AuditRangeInvalid("the tree of this size has no such entry")
        return inclusion_proof(leaves, index)

    def consistency(self, tenant: str, first: int, second: int) -> tuple[bytes, ...]:
        """That the first ``first`` entries are a prefix of the first ``second``: 32-byte hashes, the lowest first.

        Raises:
            AuditRangeInvalid: ``first`` is larger than ``second``, or the log has not so many entries.
            DatabaseUnavailable: it did not answer.
        """
        leaves = self._leaves(tenant, second)
        if not 0 <= first <= second:
            raise AuditRangeInvalid("the first size must not be larger than the second")
        return consistency_proof(leaves, first)

    def _leaves(self, tenant: str, size: int) -> list[bytes]:
        entry = audit_entries.c
        query = select(entry.body).where(entry.tenant == tenant, entry.index < size).order_by(entry.index)
        with snapshot(self._engine) as connection:
            bodies = connection.execute(by_portions(query)).scalars()
            leaves = [leaf_hash(body) for body in bodies]
        if len(leaves) != size:
            raise AuditRangeInvalid("the log does not have so many entries")
        return leaves
