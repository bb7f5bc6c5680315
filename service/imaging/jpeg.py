"""JPEG: segments in and out (ITU-T T.81 annex B), pixels through libjpeg."""

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

from numpy.typing import NDArray

from service.errors import ImageDamaged, ImageTooLarge, RecordDamaged, UnsupportedFormat
from service.imaging.limits import MAX_ICC, Limits, check_icc
from service.imaging.metadata import orientation_of
from service.imaging.picture import CodingGrid, Extras, JpegCoding, Stored
from service.imaging.raster import open_as, rgb_and_alpha, save_as
from service.imaging.record_parts import MAX_RECORD, join_record, split_record

_EXIF = b"Exif\0\0"
_XMP = b"http://ns.adobe.com/xap/1.0/\0"
_ICC = b"ICC_PROFILE\0"
_RECORD = b"VISARD\0"
_SOI, _EOI, _SOS, _DRI, _APP0, _APP1, _APP2, _APP14, _APP15 = (0xD8, 0xD9, 0xDA, 0xDD, 0xE0, 0xE1, 0xE2, 0xEE, 0xEF)
_PROGRESSIVE = 0xC2
_FRAMES = {0xC0, 0xC1, _PROGRESSIVE}
_OTHER_FRAMES = {0xC3, *range(0xC5, 0xD0)} - {0xC4, 0xC8, 0xCC}
_TABLES = {0xC4, 0xDB, _DRI}
_MAX_PART = 65_533
# Progressive files use about ten; each scan costs a pass over the whole image.
_MAX_SCANS = 64
# Before each scan at most four Huffman tables of each kind, four quantization tables and a restart interval.
_MAX_ESSENTIAL = 16 * _MAX_SCANS
# The number of a chunk is one byte.
_MAX_ICC_CHUNKS = 255
_QUALITY = 95
# In entropy-coded data FF is followed by 00, a restart marker or fill bytes; anything else ends the scan.
_SCAN_END = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")
_SUBSAMPLING: dict[tuple[int, int], Literal[0, 1, 2]] = {(1, 1): 0, (2, 1): 1, (2, 2): 2}


@dataclass(slots=True)
class _Frame:
    """What the frame header declares; a component is (horizontal, vertical sampling, table)."""

    progressive: bool
    width: int
    height: int
    components: list[tuple[int, int, int]]

    @property
    def mcu(self) -> tuple[int, int]:
        """Width and height of a coding unit in pixels."""
        if len(self.components) == 1:
            return 8, 8
        return 8 * max(h for h, _, _ in self.components), 8 * max(v for _, v, _ in self.components)

    @property
    def blocks(self) -> int:
        """Coded blocks, at the least: each costs a bit or more, whatever the coding."""
        most_h, most_v = max(h for h, _, _ in self.components), max(v for _, v, _ in self.components)
        columns = (-(-self.width * h // (8 * most_h)) for h, _, _ in self.components)
        rows = (-(-self.height * v // (8 * most_v)) for _, v, _ in self.components)
        return sum(across * down for across, down in zip(columns, rows, strict=True))


@dataclass(slots=True)
class _Parts:
    """A file taken apart: what is needed to decode it, and the metadata we read.

    Attributes:
        lacking: low bits that no scan has brought yet, by component and coefficient; none for those never scanned.
    """

    essential: list[bytes] = field(default_factory=list)
    frame: _Frame | None = None
    coded_bytes: int = 0
    lacking: dict[tuple[int, int], int] = field(default_factory=dict)
    exif: bytes | None = None
    xmp: bytes | None = None
    icc: list[bytes] = field(default_factory=list)
    record: list[bytes] = field(default_factory=list)


def read_jpeg(data: bytes, limits: Limits) -> Stored:
    """Decode the first image of a JPEG file; everything after its end is ignored.

    Raises:
        UnsupportedFormat: lossless, hierarchical, arithmetic or 12-bit coding.
        ImageDamaged, ImageTooLarge, RecordDamaged: as named.
    """
    parts = _take_apart(data, limits)
    if parts.frame is None:
        raise ImageDamaged("the JPEG has no frame header")
    # libjpeg takes missing blocks for grey ones: a thousand bytes would pass for a hundred megapixels.
    if parts.frame.blocks > 8 * parts.coded_bytes:
        raise ImageDamaged("the JPEG lacks image data")
    record = join_record(parts.record)
    image = open_as(b"".join(parts.essential), "JPEG")
    tables = image.quantization  # type: ignore[attr-defined]
    pixels, _ = rgb_and_alpha(image, has_alpha=False)
    width, height = parts.frame.mcu
    return Stored(
        pixels=pixels,
        alpha=None,
        format="jpeg",
        orientation=orientation_of(parts.exif),
        icc=_join_icc(parts.icc),
        exif=parts.exif,
        xmp=parts.xmp,
        grid=CodingGrid(width, height, bleed=_bleed(parts.frame, parts.lacking)),
        jpeg=_coding(parts.frame, tables),
        record=record,
    )


def write_jpeg(pixels: NDArray[Any], coding: JpegCoding | None, extras: Extras) -> bytes:
    """Encode (H, W, 3) uint8 pixels, with the tables and subsampling of ``coding`` where given."""
    if coding is None:
        plain = save_as(pixels, None, "JPEG", quality=_QUALITY, subsampling=0)
    else:
        # Components beyond the last table share it.
        luma, *chroma = map(list, coding.tables)
        tables = [luma] if chroma == [luma, luma] else [luma, *chroma[: 1 if chroma[0] == chroma[1] else 2]]
        plain = save_as(pixels, None, "JPEG", qtables=tables, subsampling=coding.subsampling)
    # Behind the JFIF segment, which readers expect first.
    at = 4 + struct.unpack_from(">H", plain, 4)[0]
    return b"".join((plain[:at], *_segments(extras), plain[at:]))


def _segments(extras: Extras) -> Iterator[bytes]:
    if extras.exif is not None:
        yield _segment(_APP1, _EXIF + extras.exif)
    if extras.xmp is not None:
        yield _segment(_APP1, _XMP + extras.xmp)
    if extras.icc is not None:
        room = _MAX_PART - len(_ICC) - 2
        pieces = [extras.icc[i : i + room] for i in range(0, len(extras.icc), room)]
        for number, piece in enumerate(pieces, start=1):
            yield _segment(_APP2, _ICC + bytes((number, len(pieces))) + piece)
    if extras.record is not None:
        for part in split_record(extras.record, _MAX_PART - len(_RECORD)):
            yield _segment(_APP15, _RECORD + part)


def _segment(marker: int, payload: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(payload) + 2) + payload


def _take_apart(data: bytes, limits: Limits) -> _Parts:
    parts = _Parts(essential=[data[:2]])
    at, scans = 2, 0
    while True:
        marker, at = _next_marker(data, at)
        if marker == _EOI:
            parts.essential.append(b"\xff\xd9")
            return parts
        if marker in _OTHER_FRAMES:
            raise UnsupportedFormat("this kind of JPEG coding is not supported")
        start, end = at, at + _length(data, at)
        payload = data[start + 2 : end]
        if marker == _SOS:
            scans += 1
            if scans > _MAX_SCANS:
                raise UnsupportedFormat("the JPEG has too many scans")
            body, end = end, _scan_end(data, end)
            parts.coded_bytes += end - body
            parts.lacking.update(_scanned(payload))
        if marker in _FRAMES:
            if parts.frame is not None:
                raise ImageDamaged("the JPEG has two frame headers")
            parts.frame = _frame(marker, payload, limits)
        if marker in _FRAMES or marker in _TABLES or marker == _SOS or _is_colour_hint(marker, payload):
            parts.essential.append(bytes((0xFF, marker)) + data[start:end])
            if len(parts.essential) > _MAX_ESSENTIAL:
                raise ImageTooLarge("the JPEG has too many tables")
        else:
            _collect(parts, marker, payload)
        at = end


def _next_marker(data: bytes, at: int) -> tuple[int, int]:
    """The marker at ``at`` (fill bytes skipped) and where its segment's length field stands."""
    if data[at : at + 1] != b"\xff":
        raise ImageDamaged("the JPEG is truncated or corrupt")
    while data[at : at + 1] == b"\xff":
        at += 1
    if at >= len(data) or data[at] == 0:
        raise ImageDamaged("the JPEG is truncated or corrupt")
    return data[at], at + 1


def _length(data: bytes, at: int) -> int:
    if at + 2 > len(data):
        raise ImageDamaged("the JPEG is truncated")
    length: int = struct.unpack_from(">H", data, at)[0]
    if length < 2 or at + length > len(data):
        raise ImageDamaged("the JPEG is truncated or corrupt")
    return length


def _scan_end(data: bytes, at: int) -> int:
    found = _SCAN_END.search(data, at)
    if found is None:
        raise ImageDamaged("the JPEG is truncated")
    return found.start()


def _scanned(header: bytes) -> dict[tuple[int, int], int]:
    """Components and coefficients of a scan, and how many low bits of them it leaves out (section B.2.3)."""
    ids, (first, last, bits) = header[1 : 1 + 2 * header[0] : 2], header[1 + 2 * header[0] :]
    return {(id, coefficient): bits & 15 for id in ids for coefficient in range(first, last + 1)}


def _bleed(frame: _Frame, lacking: dict[tuple[int, int], int]) -> int:
    """How many pixels beyond a coding unit libjpeg lets its samples reach."""
    upsampled = 0 if frame.mcu == (8, 8) else 1
    whole = len(lacking) == 64 * len(frame.components) and not any(lacking.values())
    if whole or not frame.progressive:
        return upsampled
    # What progressive scans leave out is guessed from the blocks around, two to each side.
    return upsampled + 2 * max(frame.mcu)


def _frame(marker: int, payload: bytes, limits: Limits) -> _Frame:
    precision, height, width, count = struct.unpack_from(">BHHB", payload)
    if precision != 8:
        raise UnsupportedFormat("only JPEG with 8 bits per channel is supported")
    if count not in (1, 3, 4):
        raise UnsupportedFormat("only grey, RGB and CMYK JPEG are supported")
    limits.check_size(width, height)
    triples = [payload[6 + 3 * i : 9 + 3 * i] for i in range(count)]
    components = [(sampling >> 4, sampling & 15, table) for _, sampling, table in triples]
    if any(not 1 <= side <= 4 for h, v, _ in components for side in (h, v)):
        raise ImageDamaged("the JPEG has an invalid frame header")
    return _Frame(marker == _PROGRESSIVE, width, height, components)


def _is_colour_hint(marker: int, payload: bytes) -> bool:
    """Segments that decide how components become colours; a JFIF thumbnail behind them is inert here."""
    return (marker == _APP0 and payload[:5] == b"JFIF\0") or (marker == _APP14 and payload[:5] == b"Adobe")


def _collect(parts: _Parts, marker: int, payload: bytes) -> None:
    if marker == _APP1 and payload.startswith(_EXIF):
        parts.exif = parts.exif or payload[len(_EXIF) :]
    elif marker == _APP1 and payload.startswith(_XMP):
        parts.xmp = parts.xmp or payload[len(_XMP) :]
    elif marker == _APP2 and payload.startswith(_ICC):
        parts.icc.append(payload[len(_ICC) :])
        if len(parts.icc) > _MAX_ICC_CHUNKS or sum(map(len, parts.icc)) > MAX_ICC:
            raise ImageTooLarge("the colour profile in the image is too large")
    elif marker == _APP15 and payload.startswith(_RECORD):
        parts.record.append(payload[len(_RECORD) :])
        if len(parts.record) * _MAX_PART > 2 * MAX_RECORD:
            raise RecordDamaged("the record in the image is empty or too long")


def _join_icc(chunks: list[bytes]) -> bytes | None:
    """The profile (ICC.1:2022 annex B.4), or None when chunks are missing: without all there is no profile."""
    numbered = sorted(chunk for chunk in chunks if len(chunk) > 2)
    if not numbered or [chunk[0] for chunk in numbered] != list(range(1, numbered[0][1] + 1)):
        return None
    return check_icc(b"".join(chunk[2:] for chunk in numbered))


def _coding(frame: _Frame, tables: dict[int, list[int]]) -> JpegCoding | None:
    """Tables and subsampling to write again; None for CMYK, which comes out as YCbCr."""
    if len(frame.components) == 4:
        return None
    first = frame.components[0]
    used = [tuple(tables[table]) for _, _, table in frame.components]
    chroma = [(h, v) for h, v, _ in frame.components[1:]]
    halved = _SUBSAMPLING.get(first[:2], 0) if chroma and set(chroma) == {(1, 1)} else 0
    return JpegCoding(tables=tuple(used * 3)[:3], subsampling=halved)
