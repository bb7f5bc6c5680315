"""The record on the wire: everything comes back, nothing can be changed, lengths say nothing."""

import dataclasses
import struct
from typing import Any
from uuid import UUID

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.errors import RecordDamaged, RecordRefused, RecordVersionUnknown
from service.records.codec import Header, read_header, read_record, write_record
from service.records.record import FaceRecord, Record

BODY_KEY = bytes(range(32))
MAC_KEY = bytes(range(32, 64))

i32 = st.integers(-(2**31), 2**31 - 1)
u16 = st.integers(0, 2**16 - 1)
u32 = st.integers(0, 2**32 - 1)
floats = st.floats(allow_nan=False)
digests = st.binary(min_size=32, max_size=32)


def faces(resolution: int, overflow_bytes: int) -> st.SearchStrategy[FaceRecord]:
    side = resolution // 4
    return st.builds(
        FaceRecord,
        box=st.tuples(i32, i32, i32, i32),
        confidence=u16.map(lambda step: step / 65535),
        draw=st.integers(0, 255),
        side=st.integers(resolution, 2**32 - 1),
        origin=st.tuples(i32, i32),
        landmarks=st.lists(i32, min_size=10, max_size=10).map(lambda n: np.array(n, np.int32).reshape(5, 2)),
        bitmap=st.integers(0, 2**32 - 1).map(lambda s: np.random.default_rng(s).random((side, side)) < 0.5),
        norms=st.tuples(floats, floats, floats, floats),
        overflow=st.binary(min_size=overflow_bytes, max_size=overflow_bytes),
        thumbnail=st.binary(min_size=64, max_size=64),
    )


@st.composite
def records(draw: st.DrawFn, shape: tuple[int, int, int] | None = None) -> Record:
    sizes = st.tuples(st.integers(0, 3), st.sampled_from([4, 20, 64, 128]), st.integers(0, 40))
    count, resolution, overflow_bytes = shape or draw(sizes)
    return Record(
        id=draw(st.uuids()),
        nonce=draw(st.binary(min_size=16, max_size=16)),
        custodian=draw(st.sampled_from(["local", "vault-kv", "vault-transit"])),
        key_version=draw(u32),
        scheme=draw(st.sampled_from(["band-rotation", "rotation", "signflip"])),
        bundle_digest=draw(digests),
        resolution=resolution,
        steps=draw(u16),
        evaluations=draw(u16),
        grid=draw(st.sampled_from(["square", "late"])),
        t0=draw(floats),
        t1=draw(floats),
        taus=draw(st.tuples(floats, floats, floats, floats)),
        depth=draw(st.sampled_from([8, 16])),
        image_depth=draw(st.sampled_from([8, 16])),
        width=draw(u32),
        height=draw(u32),
        coding_grid=draw(st.none() | st.tuples(i32, i32, i32, i32, i32)),
        lossy=draw(st.booleans()),
        pixels_digest=draw(digests),
        image_digest=draw(digests),
        sealed=draw(st.sampled_from(["record", "embed", "off"])),
        faces=tuple(draw(faces(resolution, overflow_bytes)) for _ in range(count)),
    )


def _sample(**changes: Any) -> Record:
    face = FaceRecord(
        box=(-3, 5, 60, 80),
        confidence=0.75,
        draw=3,
        side=128,
        origin=(-7, 1),
        landmarks=np.arange(10, dtype=np.int32).reshape(5, 2),
        bitmap=np.eye(16, dtype=np.bool_),
        norms=(1.5, 0.1, 2.0, 0.0),
        overflow=b"overflow",
        thumbnail=bytes(64),
    )
    record = Record(
        id=UUID(int=9),
        nonce=bytes(16),
        custodian="vault-kv",
        key_version=4,
        scheme="band-rotation",
        bundle_digest=bytes(32),
        resolution=64,
        steps=8,
        evaluations=4,
        grid="square",
        t0=0.02,
        t1=0.995,
        taus=(0.95, 0.85, 0.75, 0.8),
        depth=8,
        image_depth=8,
        width=250,
        height=250,
        coding_grid=(16, 16, 0, -4, 1),
        lossy=True,
        pixels_digest=b"p" * 32,
        image_digest=b"i" * 32,
        sealed="record",
        faces=(face, face),
    )
    return dataclasses.replace(record, **changes)


def _plain(value: Any) -> Any:
    """Nested dicts and lists that compare by value."""
    if dataclasses.is_dataclass(value):
        return {field.name: _plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, np.ndarray):
        return str(value.dtype), value.tolist()
    return [_plain(item) for item in value] if isinstance(value, tuple) else value


def _write(record: Record, seal: bytes | None = None, *, erasable: bool = False) -> bytes:
    return write_record(record, body_key=BODY_KEY, mac_key=MAC_KEY, seal=seal, erasable=erasable)


def _read(data: bytes) -> tuple[Record, bytes | None]:
    return read_record(data, body_key=BODY_KEY, mac_key=MAC_KEY)


@given(records(), st.none() | st.binary(min_size=1, max_size=50), st.booleans())
def test_everything_comes_back(record: Record, seal: bytes | None, erasable: bool) -> None:
    data = _write(record, seal, erasable=erasable)
    read, read_seal = _read(data)
    assert _plain(read) == _plain(record)
    assert read_seal == seal
    assert read_header(data) == Header(record.id, record.nonce, record.custodian, record.key_version, erasable)


@pytest.mark.parametrize("seal", [None, b"sealed pixels"])
def test_every_changed_byte_is_refused(seal: bytes | None) -> None:
    data = _write(_sample(), seal)
    for place in range(len(data)):
        changed = bytearray(data)
        changed[place] ^= 1 << place % 8
        with pytest.raises(RecordRefused):
            _read(bytes(changed))


@given(st.data())
def test_truncated_and_extended_records_are_refused_and_damaged(data: st.DataObject) -> None:
    whole = _write(_sample(), b"seal")
    cut = whole[: data.draw(st.integers(0, len(whole) - 1))]
    longer = whole + data.draw(st.binary(min_size=1, max_size=40))
    for wrong in (cut, longer):
        with pytest.raises(RecordRefused):
            _read(wrong)
        with pytest.raises(RecordDamaged):
            read_header(wrong)


@given(st.data(), st.integers(0, 3), st.sampled_from([20, 64]), st.integers(0, 40))
def test_the_length_follows_from_face_count_resolution_and_overflow_length(
    data: st.DataObject, count: int, resolution: int, overflow_bytes: int
) -> None:
    a, b = (data.draw(records((count, resolution, overflow_bytes))) for _ in range(2))
    assert len(_write(a)) == len(_write(b))


@pytest.mark.parametrize("keys", [(BODY_KEY[::-1], MAC_KEY), (BODY_KEY, MAC_KEY[::-1]), (MAC_KEY, BODY_KEY)])
def test_a_wrong_key_looks_like_a_changed_byte(keys: tuple[bytes, bytes]) -> None:
    data = _write(_sample())
    with pytest.raises(RecordRefused) as wrong:
        read_record(data, body_key=keys[0], mac_key=keys[1])
    with pytest.raises(RecordRefused) as changed:
        _read(data[:-1] + bytes([data[-1] ^ 1]))
    assert str(wrong.value) == str(changed.value)


def test_the_mac_is_checked_before_anything_is_parsed() -> None:
    for nonsense in (b"", b"VSRD", bytes(200), b"XXXX" + _write(_sample())[4:]):
        with pytest.raises(RecordRefused):
            _read(nonsense)


def test_only_the_header_is_in_the_clear() -> None:
    data = _write(_sample())
    for secret in (b"overflow", b"p" * 32, b"i" * 32, bytes(32), struct.pack(">d", 0.85)):
        assert secret not in data


def test_with_and_without_a_seal_the_body_is_the_same_ciphertext() -> None:
    bare, sealed = _write(_sample()), _write(_sample(), b"seal")
    # A different ciphertext or tag under the same key would give the authentication key away.
    assert bare[50:-32] == sealed[50 : -32 - len(b"seal")]


def test_what_is_no_record_of_ours_is_named() -> None:
    data = _write(_sample())
    with pytest.raises(RecordVersionUnknown):
        read_header(data[:4] + bytes([data[4] + 1]) + data[5:])
    for wrong in (b"", b"JPEG" + data[4:], data[:42] + bytes(4) + data[46:]):
        with pytest.raises(RecordDamaged):
            read_header(wrong)


@given(st.integers(0, 255))
def test_flags_are_a_bit_and_a_custodian_and_nothing_else(flags: int) -> None:
    data = _write(_sample())
    changed = data[:5] + bytes([flags]) + data[6:]
    known = {
        0: ("local", False),
        1: ("local", True),
        2: ("vault-kv", False),
        3: ("vault-kv", True),
        4: ("vault-transit", False),
        5: ("vault-transit", True),
    }
    if flags in known:
        header = read_header(changed)
        assert (header.custodian, header.erasable) == known[flags]
    else:
        with pytest.raises(RecordDamaged):
            read_header(changed)


@pytest.mark.parametrize(
    "changes",
    [
        {"nonce": bytes(12)},
        {"key_version": 2**32},
        {"bundle_digest": b""},
        {"pixels_digest": bytes(31)},
        {"image_digest": bytes(33)},
        {"resolution": 66},
        {"resolution": 128},
        {"depth": 12},
        {"image_depth": 12},
        {"faces": (_sample().faces[0], dataclasses.replace(_sample().faces[0], overflow=b"longer overflow"))},
    ],
)
def test_a_record_that_makes_no_sense_cannot_be_made(changes: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"."):
        _sample(**changes)


@pytest.mark.parametrize(
    "changes",
    [
        {"thumbnail": bytes(63)},
        {"landmarks": np.zeros((4, 2), np.int32)},
        {"landmarks": np.zeros((5, 2), np.int64)},
        {"bitmap": np.zeros((16, 16), np.uint8)},
        {"confidence": 1.01},
        {"norms": (1.0, 2.0, 3.0)},
        {"box": (1, 2, 3)},
    ],
)
def test_a_face_that_makes_no_sense_cannot_be_made(changes: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"."):
        dataclasses.replace(_sample().faces[0], **changes)


def test_numbers_that_do_not_fit_and_keys_that_are_none_are_faults() -> None:
    with pytest.raises(ValueError, match="fit"):
        _write(_sample(width=2**32))
    with pytest.raises(ValueError, match="32 bytes"):
        write_record(_sample(), body_key=bytes(16), mac_key=MAC_KEY, seal=None)
    with pytest.raises(ValueError, match="32 bytes"):
        write_record(_sample(), body_key=BODY_KEY, mac_key=b"", seal=None)
    with pytest.raises(ValueError, match="empty"):
        _write(_sample(), b"")


def test_repr_keeps_the_side_information_to_itself() -> None:
    shown = repr(_sample())
    for hidden in ("overflow", "norms", "thumbnail", "bitmap", "landmarks", "image_digest"):
        assert hidden not in shown
