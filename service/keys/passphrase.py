"""Master keys at rest under a passphrase: scrypt (RFC 7914) makes the key that AES-256-GCM wraps them with."""

import os
import secrets
from pathlib import Path
from typing import Literal

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt
from pydantic import BaseModel, ConfigDict, Field

from service.errors import KeystoreInsecure, KeysUnavailable
from service.keys.derive import KEY_BYTES, framed
from service.private_files import OpenToOthers, create_durably, read_private, replace_durably

COST = 2**17
"""OWASP's recommendation for r = 8 and p = 1: 128 MiB."""
_SALT_BYTES = 16
_NONCE_BYTES = 12
_LABEL = b"visard-master-1"
_ZEROS = bytes(KEY_BYTES)
# No tenant has this name, and no version this number.
_OF_NOBODY = ("", 0)


class Stretching(BaseModel):
    """How the passphrase of a keystore is stretched; one file for all tenants, made once.

    Attributes:
        salt: 16 random bytes.
        cost: N of scrypt; with ``block`` it decides the memory, 128 * N * r bytes.
        block: r.
        parallel: p.
        wrapped: what wraps the master keys, wrapped with what the passphrase gives, once it is not the same: a new
            passphrase is a new file of this kind, and no master key is touched.
        proof: of the right passphrase: zeros, wrapped. Without it two passphrases could be mixed up in one keystore.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_bytes="hex", val_json_bytes="hex")

    format: Literal[1] = 1
    salt: bytes = Field(min_length=_SALT_BYTES, max_length=_SALT_BYTES)
    # No more than 1 GiB: a damaged file must not take the machine down.
    cost: int = Field(ge=2, le=2**20)
    block: int = Field(default=8, ge=1, le=8)
    parallel: int = Field(default=1, ge=1, le=16)
    wrapped: bytes | None = None
    proof: bytes = b""

    def key(self, passphrase: str) -> bytes:
        """32 bytes; takes a good part of a second."""
        scrypt = Scrypt(salt=self.salt, length=KEY_BYTES, n=self.cost, r=self.block, p=self.parallel)
        return scrypt.derive(passphrase.encode())

    def opened(self, passphrase: str) -> "Wrapping":
        """What wraps the master keys.

        Raises:
            KeysUnavailable: the passphrase is another one, or the file was changed.
        """
        wrapping = Wrapping(self.key(passphrase))
        if self.wrapped is not None:
            wrapping = Wrapping(wrapping.unwrap(self.wrapped, *_OF_NOBODY))
        wrapping.unwrap(self.proof, *_OF_NOBODY)
        return wrapping


class Wrapping:
    """Wraps master keys, each bound to its tenant and version."""

    def __init__(self, key: bytes) -> None:
        self._key = key
        self._aead = AESGCM(key)

    def __repr__(self) -> str:
        return "Wrapping(***)"

    @classmethod
    def open(cls, path: Path, passphrase: str, cost: int = COST) -> "Wrapping":
        """The wrapping of a keystore, whose file of parameters is made where there is none.

        Args:
            path: of that file.
            passphrase: any text but the empty one.
            cost: for a new file.

        Raises:
            KeystoreInsecure: others may read or write the file.
            KeysUnavailable: it cannot be read or made, is damaged, or was made with another passphrase.
        """
        try:
            if not path.exists():
                fresh = _salted(cost)
                create_durably(path, cls(fresh.key(passphrase))._proven(fresh))
            return Stretching.model_validate_json(read_private(path) or b"").opened(passphrase)
        except OpenToOthers as error:
            raise KeystoreInsecure("the local keystore is accessible to other users: allow its owner only") from error
        except (OSError, ValueError) as error:
            raise KeysUnavailable("the local keystore cannot be opened with a passphrase") from error

    def protect(self, path: Path, passphrase: str, cost: int = COST) -> None:
        """Have another passphrase open this wrapping, and no longer the one before.

        The file is replaced at once: a crash leaves the one or the other. The caller holds the keystore's lock.

        Raises:
            KeysUnavailable: it cannot be written.
        """
        fresh = _salted(cost)
        wrapped = Wrapping(fresh.key(passphrase)).wrap(self._key, *_OF_NOBODY)
        try:
            replace_durably(path, self._proven(fresh.model_copy(update={"wrapped": wrapped})))
        except OSError as error:
            raise KeysUnavailable("the local keystore cannot be written") from error

    def wrap(self, master: bytes, tenant: str, version: int) -> bytes:
        """Nonce, ciphertext and tag."""
        nonce = os.urandom(_NONCE_BYTES)
        return nonce + self._aead.encrypt(nonce, master, _bound(tenant, version))

    def unwrap(self, wrapped: bytes, tenant: str, version: int) -> bytes:
        """The master key.

        Raises:
            KeysUnavailable: the passphrase is another one, or the file was changed.
        """
        try:
            return self._aead.decrypt(wrapped[:_NONCE_BYTES], wrapped[_NONCE_BYTES:], _bound(tenant, version))
        except (InvalidTag, ValueError) as error:
            raise KeysUnavailable("the local keystore does not open with this passphrase") from error

    def _proven(self, stretching: Stretching) -> bytes:
        """The file, with its proof."""
        proven = stretching.model_copy(update={"proof": self.wrap(_ZEROS, *_OF_NOBODY)})
        return proven.model_dump_json(indent=2, exclude_none=True).encode() + b"\n"


def _salted(cost: int) -> Stretching:
    return Stretching(salt=secrets.token_bytes(_SALT_BYTES), cost=cost)


def _bound(tenant: str, version: int) -> bytes:
    return _LABEL + framed(tenant.encode(), version.to_bytes(4, "big"))
