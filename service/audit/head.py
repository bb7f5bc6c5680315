"""The head of a tenant's tree: one row, locked while an entry is added."""

from dataclasses import dataclass

from sqlalchemy import Connection, select, update

from service.audit.checkpoint import Checkpoint, SignedCheckpoint, sign_checkpoint
from service.audit.signing import Signer
from service.audit.tree import HASH_BYTES, CompactRange, leaf_hash
from service.database.engine import insertion
from service.database.tables import audit_heads
from service.errors import AuditTampered, CheckpointInvalid


@dataclass(frozen=True, slots=True)
class Receipt:
    """Where an entry came to stand, and the proof of it.

    Attributes:
        index: place in the log.
        proof: inclusion proof in the tree that ends with the entry, hashes one after the other.
        checkpoint: signed note over that tree.
    """

    index: int
    proof: bytes
    checkpoint: str


def extend(connection: Connection, tenant: str, origin: str, body: bytes, signer: Signer) -> Receipt:
    """Add a leaf to the tenant's tree and sign it, in a transaction that writes; others wait until it ends.

    Raises:
        AuditTampered: the stored head is not one that this key signed; or there is none, and all others are another's.
        Unavailable: the signer does not answer.
    """
    tree = _locked_tree(connection, tenant, origin, signer)
    grown = tree.push(leaf_hash(body))
    note = sign_checkpoint(Checkpoint(origin, grown.size, grown.root()), signer)
    connection.execute(
        update(audit_heads)
        .where(audit_heads.c.tenant == tenant)
        .values(size=grown.size, edge=b"".join(grown.edge), checkpoint=note)
    )
    return Receipt(index=tree.size, proof=b"".join(tree.next_proof()), checkpoint=note)


def newest(connection: Connection) -> list[tuple[str, str]]:
    """Every tenant with a log, and its newest checkpoint as it is stored."""
    return [
        (row.tenant, row.checkpoint)
        for row in connection.execute(select(audit_heads.c.tenant, audit_heads.c.checkpoint))
    ]


def split_hashes(data: bytes) -> tuple[bytes, ...]:
    """Hashes stored one after the other; the last is short if the length is wrong."""
    return tuple(data[i : i + HASH_BYTES] for i in range(0, len(data), HASH_BYTES))


def _locked_tree(connection: Connection, tenant: str, origin: str, signer: Signer) -> CompactRange:
    head = audit_heads.c
    query = select(head.size, head.edge, head.checkpoint).where(head.tenant == tenant).with_for_update()
    row = connection.execute(query).one_or_none()
    if row is None:
        _require_own(connection, signer.public_key)
        # A row that does not exist cannot be locked: two first entries at once must meet at one.
        _plant(connection, tenant, origin, signer)
        row = connection.execute(query).one()
    return _opened(row.size, row.edge, row.checkpoint, origin, signer.public_key)


def _require_own(connection: Connection, public_key: bytes) -> None:
    """Whoever begins a log decides whose key it takes: no command whose settings are not the service's."""
    others = [note for _, note in newest(connection)]
    if others and not any(_is_signed_by(public_key, note) for note in others):
        raise AuditTampered("another key signs the audit logs of this database: is VISARD_AUDIT_SIGNER the service's?")


def _is_signed_by(public_key: bytes, note: str) -> bool:
    try:
        return SignedCheckpoint.parse(note).signed_by(public_key)
    except (ValueError, CheckpointInvalid):
        return False


def _plant(connection: Connection, tenant: str, origin: str, signer: Signer) -> None:
    note = sign_checkpoint(Checkpoint(origin, 0, CompactRange().root()), signer)
    first = insertion(connection, audit_heads).values(tenant=tenant, size=0, edge=b"", checkpoint=note)
    connection.execute(first.on_conflict_do_nothing())


def _opened(size: int, edge: bytes, note: str, origin: str, public_key: bytes) -> CompactRange:
    """The stored tree. It is signed, so that nobody makes the service sign on top of a tree of their own."""
    try:
        tree = CompactRange(size, split_hashes(edge))
        signed = SignedCheckpoint.parse(note)
    except (ValueError, CheckpointInvalid) as error:
        raise AuditTampered("the head of the audit log is damaged: verify the log") from error
    if signed.checkpoint != Checkpoint(origin, tree.size, tree.root()) or not signed.signed_by(public_key):
        raise AuditTampered("the head of the audit log is not as it was signed: verify the log")
    return tree
