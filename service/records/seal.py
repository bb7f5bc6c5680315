"""The seal: the exact original pixels under the mask, encrypted."""

from uuid import UUID

from service.records.aead import decrypt_once, encrypt_once

_LABEL = b"visard-seal-1"


def seal_pixels(raw: bytes, key: bytes, record_id: UUID) -> bytes:
    """Encrypt pixels, AES-256-GCM, 16 bytes longer than ``raw``.

    The pixels are not compressed: the compressed length would tell something about the face, and padding it
    back to the raw length, as it must be, would gain nothing.

    Args:
        raw: the samples under the mask: number of pixels x 3, or 4 with alpha, x bytes per sample, so that the
            length says nothing that the picture does not show.
        key: 32 bytes, derived for this seal alone; it must never encrypt anything else.
        record_id: bound as associated data.

    Raises:
        ValueError: the key has another length.
    """
    return encrypt_once(key, raw, _LABEL + record_id.bytes)


def open_seal(sealed: bytes, key: bytes, record_id: UUID) -> bytes:
    """The pixels ``seal_pixels`` was given.

    Raises:
        RecordRefused: wrong key, another record's seal, or changed bytes.
        ValueError: the key has another length.
    """
    return decrypt_once(key, sealed, _LABEL + record_id.bytes)
