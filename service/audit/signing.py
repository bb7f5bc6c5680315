"""Who signs checkpoints: a key in a file; custody elsewhere only has to fit the protocol."""

from pathlib import Path
from typing import Protocol

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from service.errors import PublicKeyInvalid, SigningKeyUnusable
from service.private_files import OpenToOthers, create_durably, read_private


class Signer(Protocol):
    """An Ed25519 key that signs checkpoints."""

    @property
    def public_key(self) -> bytes:
        """The 32 bytes of the public key.

        Raises:
            Unavailable: who holds the key does not answer.
        """

    def sign(self, message: bytes) -> bytes:
        """The 64 bytes of the signature.

        Raises:
            Unavailable: the key does not answer.
        """

    def check(self) -> None:
        """Let pass a key that could sign now.

        Raises:
            Unavailable: it could not.
        """


class LocalSigner:
    """A key in memory, from a file."""

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._key = key

    @property
    def public_key(self) -> bytes:
        """The 32 bytes of the public key."""
        return self._key.public_key().public_bytes_raw()

    def sign(self, message: bytes) -> bytes:
        """The 64 bytes of the signature."""
        return self._key.sign(message)

    def check(self) -> None:
        """It always could."""


def load_signing_key(path: Path) -> LocalSigner | None:
    """Read a signing key (PEM, PKCS #8); None if there is no file.

    Raises:
        SigningKeyUnusable: it cannot be read, is no Ed25519 key, or others may read or write it.
    """
    try:
        content = read_private(path)
    except OpenToOthers as error:
        raise SigningKeyUnusable(
            "the signing key of the audit log is accessible to other users: allow its owner only"
        ) from error
    except OSError as error:
        raise SigningKeyUnusable("the signing key of the audit log cannot be read") from error
    if content is None:
        return None
    try:
        key = load_pem_private_key(content, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, Ed25519PrivateKey):
        raise SigningKeyUnusable("the signing key of the audit log is no unencrypted Ed25519 key")
    return LocalSigner(key)


def load_or_create_signing_key(path: Path) -> LocalSigner:
    """Read the signing key, or make it (mode 0600) where there is none; the first of many processes wins.

    Raises:
        SigningKeyUnusable: as ``load_signing_key``, or it cannot be written.
    """
    found = load_signing_key(path)
    if found is None:
        _create(path, Ed25519PrivateKey.generate())
        found = load_signing_key(path)
    if found is None:
        raise SigningKeyUnusable("the signing key of the audit log vanished while it was made")
    return found


def public_pem(public_key: bytes) -> str:
    """The public key as PEM, for auditors."""
    key = Ed25519PublicKey.from_public_bytes(public_key)
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def read_public_pem(pem: bytes) -> bytes:
    """The 32 bytes of an Ed25519 public key in PEM.

    Raises:
        PublicKeyInvalid: it is none.
    """
    try:
        key = load_pem_public_key(pem)
    except (ValueError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, Ed25519PublicKey):
        raise PublicKeyInvalid("this is no Ed25519 public key in PEM")
    return key.public_bytes_raw()


def _create(path: Path, key: Ed25519PrivateKey) -> None:
    content = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    try:
        create_durably(path, content)
    except OSError as error:
        raise SigningKeyUnusable("the signing key of the audit log cannot be written") from error
