"""Image file directories, the structure shared by TIFF and EXIF (TIFF 6.0, section 2), in and out."""

import struct
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

BYTE, ASCII, SHORT, LONG, RATIONAL, UNDEFINED, SIGNED_RATIONAL = 1, 2, 3, 4, 5, 7, 10
EXIF_IFD, GPS_IFD = 0x8769, 0x8825
_STRIPS, _TILES = (273, 279), (324, 325)
# kind: (bytes of one value, bytes of the numbers it is made of)
_SIZES = {
    BYTE: (1, 1),
    ASCII: (1, 1),
    SHORT: (2, 2),
    LONG: (4, 4),
    RATIONAL: (8, 4),
    6: (1, 1),
    UNDEFINED: (1, 1),
    8: (2, 2),
    9: (4, 4),
    SIGNED_RATIONAL: (8, 4),
    11: (4, 4),
    12: (8, 8),
    13: (4, 4),
}
_MAX_ENTRIES = 4096


@dataclass(frozen=True, slots=True)
class Tag:
    """One directory entry; ``value`` holds its numbers little endian, whatever the file's order was."""

    id: int
    kind: int
    value: bytes

    @classmethod
    def shorts(cls, id: int, *values: int) -> "Tag":
        """A tag of SHORT values."""
        return cls(id, SHORT, struct.pack(f"<{len(values)}H", *values))

    @classmethod
    def longs(cls, id: int, *values: int) -> "Tag":
        """A tag of LONG values."""
        return cls(id, LONG, struct.pack(f"<{len(values)}I", *values))

    @property
    def count(self) -> int:
        """Number of values."""
        return len(self.value) // _SIZES[self.kind][0]


class Ifd:
    """A directory inside ``data``. Values are read only when asked for, and never beyond a stated size."""

    def __init__(self, data: bytes, offset: int, order: str) -> None:
        """Read the entries at ``offset``; ``order`` is ``<`` or ``>``.

        Raises:
            ValueError: there is no directory.
        """
        self._data, self.order = data, order
        if offset < 8 or offset + 2 > len(data):
            raise ValueError("no image file directory")
        count = struct.unpack_from(order + "H", data, offset)[0]
        end = offset + 2 + 12 * count
        if count > _MAX_ENTRIES or end > len(data):
            raise ValueError("the image file directory is cut off")
        self.next = struct.unpack_from(order + "I", data, end)[0] if end + 4 <= len(data) else 0
        self._entries: dict[int, tuple[int, int, int]] = {}
        for at in range(offset + 2, end, 12):
            id, kind, length = struct.unpack_from(order + "HHI", data, at)
            self._entries.setdefault(id, (kind, length, at + 8))

    def size(self, id: int) -> int:
        """Bytes the value of ``id`` declares; 0 when it is absent or of an unknown kind."""
        kind, count, _ = self._entries.get(id, (0, 0, 0))
        return _SIZES[kind][0] * count if kind in _SIZES else 0

    def tag(self, id: int, max_bytes: int) -> Tag | None:
        """The tag ``id``; None when absent, cut off, or longer than ``max_bytes``."""
        size = self.size(id)
        if not 0 < size <= max_bytes:
            return None
        kind, _, at = self._entries[id]
        if size > 4:
            at = struct.unpack_from(self.order + "I", self._data, at)[0]
        raw = self._data[at : at + size]
        if len(raw) < size:
            return None
        if self.order == ">":
            raw = np.frombuffer(raw, f"u{_SIZES[kind][1]}").byteswap().tobytes()
        return Tag(id, kind, raw)

    def ints(self, id: int, max_count: int) -> tuple[int, ...]:
        """The values of a BYTE, SHORT or LONG tag; empty when absent or unusable."""
        tag = self.tag(id, 4 * max_count)
        if tag is None or tag.kind not in (BYTE, SHORT, LONG):
            return ()
        return tuple(np.frombuffer(tag.value, f"<u{_SIZES[tag.kind][0]}").tolist())

    def child(self, id: int) -> "Ifd | None":
        """The directory that the LONG tag ``id`` points to; None when there is none."""
        offset = self.ints(id, 1)
        try:
            return Ifd(self._data, offset[0], self.order) if offset else None
        except ValueError:
            return None


def open_ifd(data: bytes) -> Ifd:
    """The first directory of a TIFF structure.

    Raises:
        ValueError: it is none.
    """
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(data[:4])
    if order is None or len(data) < 8:
        raise ValueError("not a TIFF structure")
    return Ifd(data, struct.unpack_from(order + "I", data, 4)[0], order)


def build_tiff(
    tags: Sequence[Tag],
    *,
    exif: Sequence[Tag] = (),
    gps: Sequence[Tag] = (),
    segments: Sequence[bytes] = (),
    tiled: bool = False,
) -> bytes:
    """A little-endian TIFF structure: segments, then the EXIF and GPS directories, then the first one.

    Offsets and byte counts of the segments (strips, or tiles) are added to ``tags`` here.
    """
    pieces = [*segments]
    sizes = [len(segment) for segment in segments]
    at = 8 + sum(sizes)
    first = list(tags)
    if segments:
        offsets_id, sizes_id = _TILES if tiled else _STRIPS
        offsets = np.cumsum([8, *sizes[:-1]]).tolist()
        first += [Tag.longs(offsets_id, *offsets), Tag.longs(sizes_id, *sizes)]
    for pointer, children in ((EXIF_IFD, exif), (GPS_IFD, gps)):
        if children:
            pieces.append(b"\0" * (at % 2))
            at += at % 2
            first.append(Tag.longs(pointer, at))
            pieces.append(_directory(children, at))
            at += len(pieces[-1])
    pieces.append(b"\0" * (at % 2))
    at += at % 2
    return b"".join((b"II*\0", struct.pack("<I", at), *pieces, _directory(first, at)))


def _directory(tags: Sequence[Tag], at: int) -> bytes:
    """The bytes of a directory that starts at ``at``, long values behind it."""
    entries, tail = [], b""
    behind = at + 2 + 12 * len(tags) + 4
    for tag in sorted(tags, key=lambda tag: tag.id):
        field = tag.value.ljust(4, b"\0")
        if len(tag.value) > 4:
            field = struct.pack("<I", behind + len(tail))
            tail += tag.value + b"\0" * (len(tag.value) % 2)
        entries.append(struct.pack("<HHI", tag.id, tag.kind, tag.count) + field)
    return struct.pack("<H", len(tags)) + b"".join(entries) + struct.pack("<I", 0) + tail
