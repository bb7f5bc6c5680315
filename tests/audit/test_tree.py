"""The Merkle tree: RFC 6962's definition, its reference roots, and proofs that hold for nothing else."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.audit.tree import (
    CompactRange,
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    verify_consistency,
    verify_inclusion,
)

# The reference data and roots of certificate-transparency.
DATA = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"]
ROOTS = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]

leaf_lists = st.integers(0, 70).map(lambda n: [leaf_hash(bytes([i])) for i in range(n)])


def naive_root(leaves: list[bytes]) -> bytes:
    """MTH, letter by letter."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    k = 1
    while 2 * k < len(leaves):
        k *= 2
    return hashlib.sha256(b"\1" + naive_root(leaves[:k]) + naive_root(leaves[k:])).digest()


def naive_path(m: int, leaves: list[bytes]) -> list[bytes]:
    """PATH, letter by letter."""
    if len(leaves) == 1:
        return []
    k = 1
    while 2 * k < len(leaves):
        k *= 2
    if m < k:
        return [*naive_path(m, leaves[:k]), naive_root(leaves[k:])]
    return [*naive_path(m - k, leaves[k:]), naive_root(leaves[:k])]


def naive_subproof(m: int, leaves: list[bytes], whole: bool) -> list[bytes]:
    """SUBPROOF, letter by letter."""
    if m == len(leaves):
        return [] if whole else [naive_root(leaves)]
    k = 1
    while 2 * k < len(leaves):
        k *= 2
    if m <= k:
        return [*naive_subproof(m, leaves[:k], whole), naive_root(leaves[k:])]
    return [*naive_subproof(m - k, leaves[k:], False), naive_root(leaves[:k])]


@pytest.mark.parametrize("size", range(9))
def test_reference_roots(size: int) -> None:
    leaves = [leaf_hash(bytes.fromhex(data)) for data in DATA[:size]]
    assert CompactRange.of(leaves).root().hex() == ROOTS[size]


@given(leaf_lists)
def test_root_is_that_of_the_definition(leaves: list[bytes]) -> None:
    assert CompactRange.of(leaves).root() == naive_root(leaves)


@given(leaf_lists.filter(bool), st.data())
def test_inclusion_proofs_are_those_of_the_definition_and_hold(leaves: list[bytes], data: st.DataObject) -> None:
    index = data.draw(st.integers(0, len(leaves) - 1))
    proof = inclusion_proof(leaves, index)
    root = naive_root(leaves)
    assert list(proof) == naive_path(index, leaves)
    assert verify_inclusion(leaves[index], index, len(leaves), proof, root)
    assert not verify_inclusion(leaf_hash(b"other"), index, len(leaves), proof, root)
    other = data.draw(st.integers(-1, len(leaves)).filter(lambda i: i != index))
    assert not verify_inclusion(leaves[index], other, len(leaves), proof, root)
    assert not verify_inclusion(leaves[index], index, len(leaves), [*proof, root], root)
    if proof:
        assert not verify_inclusion(leaves[index], index, len(leaves), proof[:-1], root)


@given(leaf_lists, st.data())
def test_consistency_proofs_are_those_of_the_definition_and_hold(leaves: list[bytes], data: st.DataObject) -> None:
    first = data.draw(st.integers(0, len(leaves)))
    proof = consistency_proof(leaves, first)
    old, new = naive_root(leaves[:first]), naive_root(leaves)
    assert list(proof) == (naive_subproof(first, leaves, True) if first else [])
    assert verify_consistency(first, len(leaves), proof, old, new)
    assert not verify_consistency(first, len(leaves), proof, leaf_hash(b"other"), new)
    assert not verify_consistency(first, len(leaves), [*proof, old], old, new)
    if proof:
        assert not verify_consistency(first, len(leaves), proof, old, leaf_hash(b"other"))
        assert not verify_consistency(first, len(leaves), proof[1:], old, new)
        assert not verify_consistency(first, len(leaves), [], old, new)


@given(leaf_lists.filter(lambda leaves: len(leaves) > 2), st.data())
def test_a_rewritten_prefix_is_not_consistent(leaves: list[bytes], data: st.DataObject) -> None:
    first = data.draw(st.integers(1, len(leaves) - 1))
    index = data.draw(st.integers(0, first - 1))
    rewritten = [*leaves[:index], leaf_hash(b"other"), *leaves[index + 1 :]]
    proof = consistency_proof(rewritten, first)
    old, new = naive_root(leaves[:first]), naive_root(rewritten)
    assert not verify_consistency(first, len(leaves), proof, old, new)


@given(leaf_lists)
def test_the_proof_kept_at_an_append_is_that_of_the_last_leaf(leaves: list[bytes]) -> None:
    last = leaf_hash(b"last")
    assert CompactRange.of(leaves).next_proof() == inclusion_proof([*leaves, last], len(leaves))


@pytest.mark.parametrize(("size", "edge"), [(-1, ()), (1, ()), (2, (bytes(32),) * 2), (1, (bytes(31),))])
def test_an_edge_of_another_tree_is_refused(size: int, edge: tuple[bytes, ...]) -> None:
    with pytest.raises(ValueError, match="edge"):
        CompactRange(size, edge)


def test_proofs_beyond_the_tree_are_refused() -> None:
    leaves = [leaf_hash(b"a")]
    for index in (-1, 1):
        with pytest.raises(ValueError, match="leaf"):
            inclusion_proof(leaves, index)
    for first in (-1, 2):
        with pytest.raises(ValueError, match="size"):
            consistency_proof(leaves, first)
