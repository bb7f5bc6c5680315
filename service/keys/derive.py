"""Key derivation: which key is of which use.

A record key depends only on what a record shows in the clear (and on the tenant, which comes from the
caller's token): the record is authenticated with it before anything encrypted is read. What is encrypted,
scheme and bundle digest, binds in the latent sub-key.
"""

from enum import StrEnum

from service.hkdf import KEY_BYTES, expand, framed

__all__ = ["KEY_BYTES", "NONCE_BYTES", "Purpose", "expand", "framed", "record_context", "subkey"]

NONCE_BYTES = 16

_RECORD_LABEL = b"visard-record-1"
_SUBKEY_LABEL = b"visard-subkey-1"


class Purpose(StrEnum):
    """What a sub-key is for. Each sub-key encrypts at most one message.

    ``LATENT`` drives the keyed transform of one face; ``SEAL`` encrypts the exact pixels; ``HEADER`` encrypts
    the body of the record; ``MAC`` authenticates the whole record.
    """

    LATENT = "latent"
    SEAL = "seal"
    HEADER = "header"
    MAC = "mac"


def record_context(tenant: str, key_version: int, nonce: bytes) -> bytes:
    """The context of one record's key, for ``KeyProvider.record_key``.

    Args:
        tenant: from the caller's token, never from the record.
        key_version: 1 to 2^32 - 1.
        nonce: 16 fresh random bytes, made here and never by a client.

    Raises:
        ValueError: the nonce has another length.
        OverflowError: the version does not fit.
    """
    if len(nonce) != NONCE_BYTES:
        raise ValueError(f"a record nonce has {NONCE_BYTES} bytes")
    return _RECORD_LABEL + framed(tenant.encode(), key_version.to_bytes(4, "big"), nonce)


def subkey(record_key: bytes, purpose: Purpose, *, face: int = 0, binding: bytes = b"") -> bytes:
    """The 32-byte key of one purpose.

    Args:
        record_key: 32 bytes from ``KeyProvider.record_key``.
        purpose: what it is for.
        face: index of the face, 0 to 2^32 - 1.
        binding: what else the key depends on: ``framed`` scheme, bundle digest and draw for ``LATENT``; the
            per-record database secret for ``SEAL``, so that the key is gone with the row.
    """
    return expand(record_key, _SUBKEY_LABEL + framed(purpose.encode(), face.to_bytes(4, "big"), binding))
