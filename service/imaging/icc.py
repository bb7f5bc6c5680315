"""Colour profiles as far as they say what colours mean (ICC.1:2022, section 7): nothing else in them comes along."""

import struct
from collections.abc import Iterator

from service.imaging.limits import MAX_ICC

_HEADER, _ENTRY = 128, 12
_ID = slice(84, 100)
_RESERVED = slice(100, 128)
_MAX_TAGS = 100
_LARGEST = {
    **dict.fromkeys((b"desc", b"cprt"), 1 << 10),
    **dict.fromkeys((b"wtpt", b"bkpt", b"chad", b"lumi", b"cicp", b"rXYZ", b"gXYZ", b"bXYZ"), 64),
    **dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), 16 << 10),
    **dict.fromkeys((b"A2B0", b"A2B1", b"A2B2", b"B2A0", b"B2A1", b"B2A2"), MAX_ICC),
}
"""Bytes of a tag that is kept: names, a few numbers, curves, tables."""
_Tag = tuple[bytes, int, int]


def plain_profile(icc: bytes) -> bytes | None:
    """A profile with zeros in place of all that no tag on the allow-list holds; None when it is none for RGB.

    Private tags, what lies between tags and what stands behind the profile's end could be anything, a thumbnail of the
    original among it.
    """
    # Others do not describe our pixels.
    if icc[16:20] != b"RGB " or icc[36:40] != b"acsp" or len(icc) < _HEADER + 4:
        return None
    size, count = int.from_bytes(icc[:4], "big"), int.from_bytes(icc[_HEADER : _HEADER + 4], "big")
    table = _HEADER + 4 + count * _ENTRY
    if count > _MAX_TAGS or not table <= size <= len(icc):
        return None
    tags = [tag for tag in _tags(icc, count) if tag[2] <= _LARGEST.get(tag[0], -1)]
    if any(not table <= offset <= offset + length <= size for _, offset, length in tags):
        return None
    return _with(tags, icc[:size])


def _tags(icc: bytes, count: int) -> Iterator[_Tag]:
    """Signature, offset and length of each."""
    for i in range(count):
        yield struct.unpack_from(">4sII", icc, _HEADER + 4 + i * _ENTRY)


def _with(tags: list[_Tag], icc: bytes) -> bytes:
    """What they hold stays where it is."""
    out = bytearray(len(icc))
    out[:_HEADER] = icc[:_HEADER]
    out[_RESERVED] = bytes(28)
    struct.pack_into(">I", out, _HEADER, len(tags))
    for i, (signature, offset, length) in enumerate(tags):
        struct.pack_into(">4sII", out, _HEADER + 4 + i * _ENTRY, signature, offset, length)
        out[offset : offset + length] = icc[offset : offset + length]
    if out != icc:
        # A digest of the profile as it was; zero says that there is none.
        out[_ID] = bytes(16)
    return bytes(out)
