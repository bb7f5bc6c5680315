"""Keys from keys: framed HKDF contexts, so that no two different uses share a key."""

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

KEY_BYTES = 32


def framed(*fields: bytes) -> bytes:
    """Concatenate fields, each behind its length (u32, big endian): different fields, different bytes."""
    return b"".join(len(field).to_bytes(4, "big") + field for field in fields)


def expand(key: bytes, info: bytes) -> bytes:
    """32 bytes of HKDF-Expand-SHA256 (RFC 5869, section 2.3).

    Args:
        key: 32 uniformly random bytes; without the extract step nothing less is safe.
        info: framed, see ``framed``.

    Raises:
        ValueError: the key has another length.
    """
    if len(key) != KEY_BYTES:
        raise ValueError(f"a key has {KEY_BYTES} bytes")
    return HKDFExpand(algorithm=SHA256(), length=KEY_BYTES, info=info).derive(key)
