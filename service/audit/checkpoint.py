"""Signed checkpoints of a log: C2SP tlog-checkpoint inside a C2SP signed note, Ed25519.

A checkpoint is the text

    <origin> LF <size> LF <base64 of the root> LF LF — <origin> <base64 of key hash and signature> LF

and the origin, ``visard/<tenant>``, is the name of the signing key as well.
"""

import base64
import binascii
import hashlib
import re
from dataclasses import dataclass
from typing import Self

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from service.audit.signing import Signer
from service.audit.tree import HASH_BYTES
from service.errors import CheckpointInvalid

_PREFIX = "visard"
_ED25519 = b"\x01"
_KEY_HASH_BYTES = 4
_ORIGIN = re.compile(r"[^\s+]+")
_SIZE = re.compile(r"0|[1-9][0-9]{0,18}")


def origin_of(tenant: str) -> str:
    """The origin of a tenant's log.

    Raises:
        ValueError: it would hold white space or a plus sign, which a note does not allow in a name.
    """
    origin = f"{_PREFIX}/{tenant}"
    if not _ORIGIN.fullmatch(origin):
        raise ValueError("the origin of a log holds neither white space nor '+'")
    return origin


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What is signed.

    Attributes:
        origin: which log.
        size: number of its entries.
        root: of their Merkle tree.
    """

    origin: str
    size: int
    root: bytes

    def text(self) -> str:
        """The lines that are signed."""
        return f"{self.origin}\n{self.size}\n{base64.b64encode(self.root).decode()}\n"


@dataclass(frozen=True, slots=True)
class SignedCheckpoint:
    """A checkpoint and the signature lines below it, not yet verified.

    Attributes:
        checkpoint: what they sign.
        signatures: (name, key hash, signature); there may be others' besides the log's own.
    """

    checkpoint: Checkpoint
    signatures: tuple[tuple[str, bytes, bytes], ...]

    @classmethod
    def parse(cls, note: str) -> Self:
        """Read a signed checkpoint.

        Raises:
            CheckpointInvalid: it is none.
        """
        text, gap, tail = note.partition("\n\n")
        lines = text.split("\n")
        if not gap or len(lines) != 3 or not tail.endswith("\n"):
            raise CheckpointInvalid("this is no signed checkpoint")
        origin, size, root = lines
        if not _ORIGIN.fullmatch(origin) or not _SIZE.fullmatch(size):
            raise CheckpointInvalid("this is no signed checkpoint")
        checkpoint = Checkpoint(origin, int(size), _base64(root))
        if len(checkpoint.root) != HASH_BYTES:
            raise CheckpointInvalid("this is no signed checkpoint")
        return cls(checkpoint, tuple(_signature(line) for line in tail[:-1].split("\n")))

    def signed_by(self, public_key: bytes) -> bool:
        """Whether the log's own key (32 bytes, Ed25519) signed it, under the log's own name."""
        name = self.checkpoint.origin
        mine = [s for n, h, s in self.signatures if (n, h) == (name, key_hash(name, public_key))]
        try:
            for signature in mine:
                Ed25519PublicKey.from_public_bytes(public_key).verify(signature, self.checkpoint.text().encode())
        except InvalidSignature:
            return False
        return bool(mine)


def sign_checkpoint(checkpoint: Checkpoint, signer: Signer) -> str:
    """The signed note of a checkpoint."""
    text = checkpoint.text()
    blob = key_hash(checkpoint.origin, signer.public_key) + signer.sign(text.encode())
    return f"{text}\n— {checkpoint.origin} {base64.b64encode(blob).decode()}\n"


def key_hash(name: str, public_key: bytes) -> bytes:
    """SHA-256(name || LF || 0x01 || public key), the first 4 bytes."""
    return hashlib.sha256(name.encode() + b"\n" + _ED25519 + public_key).digest()[:_KEY_HASH_BYTES]


def _signature(line: str) -> tuple[str, bytes, bytes]:
    dash, _, rest = line.partition(" ")
    name, _, encoded = rest.partition(" ")
    blob = _base64(encoded)
    if dash != "—" or not _ORIGIN.fullmatch(name) or len(blob) <= _KEY_HASH_BYTES:
        raise CheckpointInvalid("this is no signed checkpoint")
    return name, blob[:_KEY_HASH_BYTES], blob[_KEY_HASH_BYTES:]


def _base64(text: str) -> bytes:
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise CheckpointInvalid("this is no signed checkpoint") from None
    # Python ignores stray bits in the last character; two spellings of one checkpoint must not both pass.
    if base64.b64encode(data).decode() != text:
        raise CheckpointInvalid("this is no signed checkpoint")
    return data
