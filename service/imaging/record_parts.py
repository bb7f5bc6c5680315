"""A record cut into numbered parts, for containers whose segments are small.

A part is index (u16), total (u16), both big endian, then a piece of the record.
"""

import struct
from collections.abc import Sequence

from service.errors import RecordDamaged, RecordTooLarge

MAX_RECORD = 32 << 20
_HEADER = struct.Struct(">HH")


def check_record(record: bytes) -> bytes:
    """Return a record found in a file.

    Raises:
        RecordDamaged: it is empty or longer than ``MAX_RECORD``.
    """
    if not 0 < len(record) <= MAX_RECORD:
        raise RecordDamaged("the record in the image is empty or too long")
    return record


def check_writable(record: bytes) -> None:
    """Raise RecordTooLarge when a reader would refuse this record."""
    if not record:
        raise ValueError("a record cannot be empty")
    if len(record) > MAX_RECORD:
        raise RecordTooLarge("the record is too large to be put into the image; store it in the database instead")


def split_record(record: bytes, size: int) -> list[bytes]:
    """Cut a record into parts of at most ``size`` bytes, part headers included."""
    room = size - _HEADER.size
    total = -(-len(record) // room)
    return [_HEADER.pack(i, total) + record[i * room : (i + 1) * room] for i in range(total)]


def join_record(parts: Sequence[bytes]) -> bytes | None:
    """Put parts found in file order together again; None when there are none.

    Raises:
        RecordDamaged: a part is missing, doubled, out of order or too short.
    """
    if not parts:
        return None
    for index, part in enumerate(parts):
        if len(part) <= _HEADER.size or _HEADER.unpack_from(part) != (index, len(parts)):
            raise RecordDamaged("the record in the image is incomplete")
    return check_record(b"".join(part[_HEADER.size :] for part in parts))
