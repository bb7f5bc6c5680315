"""AES-256-GCM for keys that encrypt one message only."""

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from service.errors import RecordRefused

KEY_BYTES = 32
TAG_BYTES = 16

# A constant nonce is safe because each key is derived for one record and one purpose and encrypts one message:
# the pair (key, nonce) cannot repeat (NIST SP 800-38D, section 8).
_NONCE = bytes(12)

REFUSAL = "the record was changed, or the key is not the one it was made with"


def encrypt_once(key: bytes, plaintext: bytes, associated: bytes) -> bytes:
    """Ciphertext and tag, ``TAG_BYTES`` longer than the plaintext. ``key`` must never encrypt anything else.

    Raises:
        ValueError: the key has not 32 bytes.
    """
    return AESGCM(checked_key(key)).encrypt(_NONCE, plaintext, associated)


def decrypt_once(key: bytes, ciphertext: bytes, associated: bytes) -> bytes:
    """The plaintext of ``encrypt_once``.

    Raises:
        RecordRefused: wrong key, or anything was changed.
        ValueError: the key has not 32 bytes.
    """
    try:
        return AESGCM(checked_key(key)).decrypt(_NONCE, ciphertext, associated)
    except InvalidTag as error:
        raise RecordRefused(REFUSAL) from error


def checked_key(key: bytes) -> bytes:
    """``key`` itself: AES would take shorter ones silently.

    Raises:
        ValueError: it has not 32 bytes.
    """
    if len(key) != KEY_BYTES:
        raise ValueError(f"a key has {KEY_BYTES} bytes")
    return key
