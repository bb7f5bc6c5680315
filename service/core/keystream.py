"""Signs and permutations from a ChaCha20 keystream (RFC 8439)."""

import numpy as np
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import ChaCha20
from numpy.typing import NDArray

KEY_BYTES = 32


class Keystream:
    """An endless stream of key-dependent words.

    The ChaCha20 nonce is zero: a key serves one stream only (one face of one record), so no pair
    of key and nonce is ever used twice.

    Raises:
        ValueError: the key is not 32 bytes long.
    """

    def __init__(self, key: bytes) -> None:
        if len(key) != KEY_BYTES:
            raise ValueError("a keystream key has 32 bytes")
        self._cipher = Cipher(ChaCha20(key, bytes(16)), mode=None).encryptor()

    def signs(self, count: int) -> NDArray[np.float64]:
        """(count,) float64 of -1 and +1, one keystream bit each."""
        bits = np.unpackbits(np.frombuffer(self._take(-(-count // 8)), np.uint8), count=count)
        return 1.0 - 2.0 * bits.astype(np.float64)

    def permutation(self, count: int) -> NDArray[np.intp]:
        """A permutation of ``range(count)``: the stable order of 64-bit keystream words."""
        words = np.frombuffer(self._take(8 * count), np.dtype("<u8"))
        return np.argsort(words, kind="stable")

    def _take(self, count: int) -> bytes:
        return self._cipher.update(bytes(count))

    def __repr__(self) -> str:
        return "Keystream(key=***)"
