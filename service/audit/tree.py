"""The Merkle tree of RFC 6962, section 2.1: roots, proofs, and their verification (RFC 9162, 2.1.3.2 and 2.1.4.2).

Everything works on leaf hashes; a hash is 32 bytes.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Self

HASH_BYTES = 32
EMPTY_ROOT = hashlib.sha256().digest()


def leaf_hash(data: bytes) -> bytes:
    """SHA-256(0x00 || data)."""
    return hashlib.sha256(b"\0" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """SHA-256(0x01 || left || right)."""
    return hashlib.sha256(b"\1" + left + right).digest()


@dataclass(frozen=True, slots=True)
class CompactRange:
    """What an append needs of a tree: the roots of its perfect subtrees, one per set bit of ``size``.

    Attributes:
        size: number of leaves.
        edge: largest subtree first.

    Raises:
        ValueError: there are not as many hashes as set bits, or one is not 32 bytes.
    """

    size: int = 0
    edge: tuple[bytes, ...] = ()

    def __post_init__(self) -> None:
        if self.size < 0 or len(self.edge) != self.size.bit_count() or any(len(h) != HASH_BYTES for h in self.edge):
            raise ValueError("the edge does not belong to a tree of this size")

    @classmethod
    def of(cls, leaves: Iterable[bytes]) -> Self:
        """The tree of these leaf hashes."""
        tree = cls()
        for leaf in leaves:
            tree = tree.push(leaf)
        return tree

    def push(self, leaf: bytes) -> Self:
        """The tree with one more leaf; O(log n)."""
        edge = [*self.edge, leaf]
        size = self.size
        while size & 1:
            right = edge.pop()
            edge[-1] = node_hash(edge[-1], right)
            size >>= 1
        return type(self)(self.size + 1, tuple(edge))

    def root(self) -> bytes:
        """MTH of RFC 6962."""
        if not self.edge:
            return EMPTY_ROOT
        *rest, root = self.edge
        for left in reversed(rest):
            root = node_hash(left, root)
        return root

    def next_proof(self) -> tuple[bytes, ...]:
        """The inclusion proof of the next leaf in the tree that ends with it."""
        return self.edge[::-1]


def inclusion_proof(leaves: Sequence[bytes], index: int) -> tuple[bytes, ...]:
    """PATH(index, leaves): the hashes that lead from one leaf to the root, RFC 6962, 2.1.1.

    Raises:
        ValueError: there is no such leaf.
    """
    if not 0 <= index < len(leaves):
        raise ValueError("no such leaf")
    low, high = 0, len(leaves)
    path: list[bytes] = []
    while high - low > 1:
        middle = low + _split(high - low)
        if index < middle:
            path.append(CompactRange.of(leaves[middle:high]).root())
            high = middle
        else:
            path.append(CompactRange.of(leaves[low:middle]).root())
            low = middle
    return tuple(reversed(path))


def consistency_proof(leaves: Sequence[bytes], first: int) -> tuple[bytes, ...]:
    """PROOF(first, leaves): that the tree of the first leaves is a prefix of the whole, RFC 6962, 2.1.2.

    Raises:
        ValueError: ``first`` is negative or larger than the tree.
    """
    if not 0 <= first <= len(leaves):
        raise ValueError("no such tree size")
    if first in (0, len(leaves)):
        return ()
    low, high = 0, len(leaves)
    path: list[bytes] = []
    while first != high:
        middle = low + _split(high - low)
        if first <= middle:
            path.append(CompactRange.of(leaves[middle:high]).root())
            high = middle
        else:
            path.append(CompactRange.of(leaves[low:middle]).root())
            low = middle
    # The verifier knows the root of the first tree; a subtree further right it does not.
    if low:
        path.append(CompactRange.of(leaves[low:high]).root())
    return tuple(reversed(path))


def verify_inclusion(leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> bool:
    """Whether ``leaf`` is at ``index`` of the tree with this size and root."""
    if not 0 <= index < size:
        return False
    node, last = index, size - 1
    result = leaf
    for sibling in proof:
        if last == 0:
            return False
        if node & 1 or node == last:
            result = node_hash(sibling, result)
            while not node & 1 and node:
                node, last = node >> 1, last >> 1
        else:
            result = node_hash(result, sibling)
        node, last = node >> 1, last >> 1
    return last == 0 and result == root


def verify_consistency(first: int, second: int, proof: Sequence[bytes], first_root: bytes, second_root: bytes) -> bool:
    """Whether the tree of size ``first`` is a prefix of the tree of size ``second``.

    The auditor's half: the service only makes such proofs, and whoever checks them may use this.
    """
    if not 0 <= first <= second:
        return False
    if first == second:
        return not proof and first_root == second_root
    if first == 0:
        return not proof and first_root == EMPTY_ROOT
    hashes = [first_root, *proof] if first.bit_count() == 1 else list(proof)
    node, last = first - 1, second - 1
    while node & 1:
        node, last = node >> 1, last >> 1
    if not hashes:
        return False
    old = new = hashes[0]
    for sibling in hashes[1:]:
        if last == 0:
            return False
        if node & 1 or node == last:
            old, new = node_hash(sibling, old), node_hash(sibling, new)
            while not node & 1 and node:
                node, last = node >> 1, last >> 1
        else:
            new = node_hash(new, sibling)
        node, last = node >> 1, last >> 1
    return last == 0 and old == first_root and new == second_root


def _split(size: int) -> int:
    """The largest power of two below ``size`` >= 2."""
    return 1 << ((size - 1).bit_length() - 1)
