"""The seal of the exact pixels."""

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.errors import RecordRefused
from service.records.seal import open_seal, seal_pixels

KEY = bytes(range(32))
ID = UUID(int=1)


@given(st.binary(max_size=300), st.binary(min_size=32, max_size=32), st.uuids())
def test_pixels_come_back_and_only_their_number_shows(raw: bytes, key: bytes, record_id: UUID) -> None:
    sealed = seal_pixels(raw, key, record_id)
    assert open_seal(sealed, key, record_id) == raw
    assert len(sealed) == len(raw) + 16


@given(st.binary(min_size=1, max_size=60), st.data())
def test_a_changed_seal_is_refused(raw: bytes, data: st.DataObject) -> None:
    sealed = bytearray(seal_pixels(raw, KEY, ID))
    sealed[data.draw(st.integers(0, len(sealed) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    with pytest.raises(RecordRefused):
        open_seal(bytes(sealed), KEY, ID)


@pytest.mark.parametrize(
    ("key", "record_id", "lost"), [(KEY[::-1], ID, 0), (KEY, UUID(int=2), 0), (KEY, ID, 1), (KEY, ID, 28)]
)
def test_another_key_another_record_or_a_missing_end_is_refused(key: bytes, record_id: UUID, lost: int) -> None:
    sealed = seal_pixels(b"twelve bytes", KEY, ID)
    with pytest.raises(RecordRefused):
        open_seal(sealed[: len(sealed) - lost], key, record_id)


def test_shorter_keys_are_not_taken() -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        seal_pixels(b"", KEY[:16], ID)
