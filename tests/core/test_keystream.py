"""The keystream: ChaCha20 as published, never the same for two keys."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.core.keystream import Keystream
from tests.core.shapes import keys

# RFC 8439, appendix A.1, test vector 1: key, nonce and counter zero.
RFC_STREAM = bytes.fromhex(
    "76b8e0ada0f13d90405d6ae55386bd28bdd219b8a08ded1aa836efcc8b770dc7"
    "da41597c5157488d7724e03fb8d84a376a43b8f41518a11cc387b669b2ee6586"
)


def test_signs_are_the_bits_of_rfc_8439() -> None:
    bits = np.unpackbits(np.frombuffer(RFC_STREAM, np.uint8))
    assert np.array_equal(Keystream(bytes(32)).signs(512), np.where(bits, -1.0, 1.0))


def test_a_permutation_sorts_the_words_of_rfc_8439() -> None:
    words = [int.from_bytes(RFC_STREAM[i : i + 8], "little") for i in range(0, 64, 8)]
    assert Keystream(bytes(32)).permutation(8).tolist() == sorted(range(8), key=words.__getitem__)


def test_the_stream_goes_on() -> None:
    stream = Keystream(bytes(32))
    first, second = stream.signs(256), stream.signs(256)
    assert np.array_equal(np.concatenate([first, second]), Keystream(bytes(32)).signs(512))


@given(keys, st.integers(0, 300))
def test_a_permutation_holds_everything_once(key: bytes, count: int) -> None:
    assert sorted(Keystream(key).permutation(count).tolist()) == list(range(count))


@given(keys, keys)
def test_two_keys_never_give_the_same_stream(a: bytes, b: bytes) -> None:
    same = np.array_equal(Keystream(a).signs(256), Keystream(b).signs(256))
    assert same == (a == b)


@given(keys, st.integers(0, 255))
def test_one_bit_of_the_key_changes_half_of_the_stream(key: bytes, bit: int) -> None:
    other = (int.from_bytes(key, "big") ^ (1 << bit)).to_bytes(32, "big")
    agreement = float(np.mean(Keystream(key).signs(8192) * Keystream(other).signs(8192)))
    assert abs(agreement) < 0.1


@pytest.mark.parametrize("length", [0, 16, 31, 33])
def test_what_is_no_key_is_a_fault(length: int) -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        Keystream(bytes(length))


def test_a_key_is_never_shown() -> None:
    assert repr(Keystream(b"k" * 32)) == "Keystream(key=***)"
