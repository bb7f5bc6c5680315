"""A record as bytes: clear header, encrypted body, optional seal, MAC over everything.

    magic "VSRD" | format version u8 | flags u8 | record id 16 | nonce 16 | key version u32
    | body length u32 | seal length u32 | body ciphertext | seal | HMAC-SHA256 32

Big endian. Bits of the flags, from the lowest: 0, the keys of body, seal and latents need the secret of the database
row; 1 and 2, the number of the custodian of the tenant's master key (0 local, 1 vault-kv, 2 vault-transit); the
others are zero. No length depends on what the original faces looked like.
"""

import struct
from dataclasses import dataclass
from uuid import UUID

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.hmac import HMAC

from service.custodian import Custodian
from service.errors import RecordDamaged, RecordRefused, RecordVersionUnknown
from service.records.aead import REFUSAL, TAG_BYTES, checked_key, decrypt_once, encrypt_once
from service.records.body import pack_body, unpack_body
from service.records.record import Record

_MAGIC = b"VSRD"
_VERSION = 3
_CUSTODIANS: tuple[Custodian, ...] = ("local", "vault-kv", "vault-transit")
"""By their number in the flags."""
_ERASABLE = 0b001
_CUSTODIAN = 0b110
_CUSTODIAN_SHIFT = 1
# The part of the header that the same record has with and without its seal.
_IDENTITY = struct.Struct(">4sBB16s16sII")
_SEAL_LENGTH = struct.Struct(">I")
_HEADER_BYTES = _IDENTITY.size + _SEAL_LENGTH.size
_MAC_BYTES = 32


@dataclass(frozen=True, slots=True)
class Header:
    """What a record shows before any key is fetched. Nothing of it is authenticated yet.

    Attributes:
        id: names the record.
        nonce: 16 bytes, for the record key.
        custodian: who holds the tenant's master key.
        key_version: of that key.
        erasable: nothing but the MAC can be checked without the secret of the database row.
    """

    id: UUID
    nonce: bytes
    custodian: Custodian
    key_version: int
    erasable: bool = False


def read_header(data: bytes) -> Header:
    """Read the clear header, and check that the lengths add up.

    Raises:
        RecordVersionUnknown: another version of Visard wrote it.
        RecordDamaged: it is no whole record.
    """
    return _split(data).header


def write_record(
    record: Record, *, body_key: bytes, mac_key: bytes, seal: bytes | None, erasable: bool = False
) -> bytes:
    """Encode, encrypt and authenticate a record.

    The same record may be written with and without its seal (one copy in the file, one in the database): both
    hold the same body ciphertext, because the seal's length is authenticated by the MAC and not by the body.

    Args:
        record: what to write.
        body_key: 32 bytes; must never encrypt another record.
        mac_key: 32 bytes.
        seal: ciphertext of the exact pixels to carry along, not empty.
        erasable: whether the keys, but for the MAC's, need the secret of the database row.

    Raises:
        ValueError: a number does not fit its field, a key has another length, or the seal is empty.
    """
    if seal is not None and not seal:
        raise ValueError("a seal is not empty")
    body = pack_body(record)
    flags = _flags(record.custodian, erasable)
    identity = _IDENTITY.pack(
        _MAGIC, _VERSION, flags, record.id.bytes, record.nonce, record.key_version, len(body) + TAG_BYTES
    )
    seal = seal or b""
    signed = identity + _SEAL_LENGTH.pack(len(seal)) + encrypt_once(body_key, body, identity) + seal
    return signed + _mac(mac_key, signed).finalize()


def read_record(data: bytes, *, body_key: bytes, mac_key: bytes) -> tuple[Record, bytes | None]:
    """Authenticate, decrypt and decode a record; returns it and the seal it carries.

    Raises:
        RecordRefused: any byte was changed or a key is wrong; the caller cannot tell which.
        RecordVersionUnknown: another version of Visard wrote it.
        RecordDamaged: it is authentic, but its maker was at fault.
        ValueError: a key has another length.
    """
    authenticate(data, mac_key)
    parts = _split(data)
    header = parts.header
    body = decrypt_once(body_key, parts.body, parts.identity)
    record = unpack_body(
        body,
        record_id=header.id,
        nonce=header.nonce,
        custodian=header.custodian,
        key_version=header.key_version,
    )
    return record, parts.seal or None


def authenticate(data: bytes, mac_key: bytes) -> None:
    """Check that a record is one of the key's, and whole; nothing of it is decrypted.

    Raises:
        RecordRefused: any byte was changed or the key is wrong.
        ValueError: the key has another length.
    """
    signed, mac = data[:-_MAC_BYTES], data[-_MAC_BYTES:]
    try:
        _mac(mac_key, signed).verify(mac)
    except InvalidSignature as error:
        raise RecordRefused(REFUSAL) from error


@dataclass(frozen=True, slots=True)
class _Parts:
    header: Header
    identity: bytes
    body: bytes
    seal: bytes


def _split(data: bytes) -> _Parts:
    if len(data) < _HEADER_BYTES + TAG_BYTES + _MAC_BYTES:
        raise RecordDamaged("the record is damaged")
    identity = data[: _IDENTITY.size]
    magic, version, flags, record_id, nonce, key_version, body_bytes = _IDENTITY.unpack(identity)
    if magic != _MAGIC:
        raise RecordDamaged("the record is damaged")
    if version != _VERSION:
        raise RecordVersionUnknown("the record was written by another version of Visard")
    (seal_bytes,) = _SEAL_LENGTH.unpack_from(data, _IDENTITY.size)
    seal_at = _HEADER_BYTES + body_bytes
    if body_bytes < TAG_BYTES or len(data) != seal_at + seal_bytes + _MAC_BYTES:
        raise RecordDamaged("the record is damaged")
    custodian, erasable = _read_flags(flags)
    return _Parts(
        Header(UUID(bytes=record_id), nonce, custodian, key_version, erasable),
        identity,
        data[_HEADER_BYTES:seal_at],
        data[seal_at : seal_at + seal_bytes],
    )


def _flags(custodian: Custodian, erasable: bool) -> int:
    return _CUSTODIANS.index(custodian) << _CUSTODIAN_SHIFT | (_ERASABLE if erasable else 0)


def _read_flags(flags: int) -> tuple[Custodian, bool]:
    custodian = (flags & _CUSTODIAN) >> _CUSTODIAN_SHIFT
    if flags & ~(_ERASABLE | _CUSTODIAN) or custodian >= len(_CUSTODIANS):
        raise RecordDamaged("the record is damaged")
    return _CUSTODIANS[custodian], bool(flags & _ERASABLE)


def _mac(key: bytes, data: bytes) -> HMAC:
    mac = HMAC(checked_key(key), SHA256())
    mac.update(data)
    return mac
