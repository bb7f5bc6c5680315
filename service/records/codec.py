"""A record as bytes: clear header, encrypted body, optional seal, MAC over everything.

    magic "VSRD" | format version u8 | custodian u8 | record id 16 | nonce 16 | key version u32
    | body length u32 | seal length u32 | body ciphertext | seal | HMAC-SHA256 32

Big endian. No length depends on what the original faces looked like.
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
_VERSION = 1
_CUSTODIANS: tuple[Custodian, ...] = ("local", "vault-kv", "vault-transit")
"""By their number in the header."""
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
    """

    id: UUID
    nonce: bytes
    custodian: Custodian
    key_version: int


def read_header(data: bytes) -> Header:
    """Read the clear header, and check that the lengths add up.

    Raises:
        RecordVersionUnknown: a later version of Visard wrote it.
        RecordDamaged: it is no whole record.
    """
    return _split(data).header


def write_record(record: Record, *, body_key: bytes, mac_key: bytes, seal: bytes | None) -> bytes:
    """Encode, encrypt and authenticate a record.

    The same record may be written with and without its seal (one copy in the file, one in the database): both
    hold the same body ciphertext, because the seal's length is authenticated by the MAC and not by the body.

    Args:
        record: what to write.
        body_key: 32 bytes; must never encrypt another record.
        mac_key: 32 bytes.
        seal: ciphertext of the exact pixels to carry along, not empty.

    Raises:
        ValueError: a number does not fit its field, a key has another length, or the seal is empty.
    """
    if seal is not None and not seal:
        raise ValueError("a seal is not empty")
    body = pack_body(record)
    custodian = _CUSTODIANS.index(record.custodian)
    identity = _IDENTITY.pack(
        _MAGIC, _VERSION, custodian, record.id.bytes, record.nonce, record.key_version, len(body) + TAG_BYTES
    )
    seal = seal or b""
    signed = identity + _SEAL_LENGTH.pack(len(seal)) + encrypt_once(body_key, body, identity) + seal
    return signed + _mac(mac_key, signed).finalize()


def read_record(data: bytes, *, body_key: bytes, mac_key: bytes) -> tuple[Record, bytes | None]:
    """Authenticate, decrypt and decode a record; returns it and the seal it carries.

    Raises:
        RecordRefused: any byte was changed or a key is wrong; the caller cannot tell which.
        RecordVersionUnknown: a later version of Visard wrote it.
        RecordDamaged: it is authentic, but its maker was at fault.
        ValueError: a key has another length.
    """
    signed, mac = data[:-_MAC_BYTES], data[-_MAC_BYTES:]
    try:
        _mac(mac_key, signed).verify(mac)
    except InvalidSignature as error:
        raise RecordRefused(REFUSAL) from error
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
    magic, version, custodian, record_id, nonce, key_version, body_bytes = _IDENTITY.unpack(identity)
    if magic != _MAGIC:
        raise RecordDamaged("the record is damaged")
    if version != _VERSION:
        raise RecordVersionUnknown("the record was written by another version of Visard")
    (seal_bytes,) = _SEAL_LENGTH.unpack_from(data, _IDENTITY.size)
    seal_at = _HEADER_BYTES + body_bytes
    if custodian >= len(_CUSTODIANS) or body_bytes < TAG_BYTES or len(data) != seal_at + seal_bytes + _MAC_BYTES:
        raise RecordDamaged("the record is damaged")
    return _Parts(
        Header(UUID(bytes=record_id), nonce, _CUSTODIANS[custodian], key_version),
        identity,
        data[_HEADER_BYTES:seal_at],
        data[seal_at : seal_at + seal_bytes],
    )


def _mac(key: bytes, data: bytes) -> HMAC:
    mac = HMAC(checked_key(key), SHA256())
    mac.update(data)
    return mac
