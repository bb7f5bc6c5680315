"""PNG: chunks in and out (W3C PNG, third edition), pixels through Pillow (8 bits) and OpenCV (16 bits)."""

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from service.errors import ImageDamaged, ImageTooLarge, MultiFrame, UnsupportedFormat
from service.imaging.limits import MAX_ICC, MAX_XMP, Limits, few_chunks, inflate
from service.imaging.metadata import orientation_of
from service.imaging.picture import Extras, Stored
from service.imaging.png_data import data_size, require_data
from service.imaging.raster import open_as, rgb_and_alpha, save_as
from service.imaging.record_parts import join_record, split_record

SIGNATURE = b"\x89PNG\r\n\x1a\n"
# Ancillary, private, (reserved), not safe to copy: an editor that changes pixels must drop it.
_RECORD = b"viSR"
# libpng refuses chunks of more than 8,000,000 bytes.
_MAX_RECORD_PART = 4 << 20
_XMP_KEYWORD = b"XML:com.adobe.xmp"
_ESSENTIAL = {b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND"}
_GREY, _RGB, _PALETTE, _GREY_ALPHA, _RGBA = 0, 2, 3, 4, 6
_SAMPLES = {_GREY: 1, _RGB: 3, _PALETTE: 1, _GREY_ALPHA: 2, _RGBA: 4}
_COMPRESSION = 6


@dataclass(slots=True)
class _Header:
    width: int
    height: int
    depth: int
    colour: int
    interlaced: bool


@dataclass(slots=True)
class _Parts:
    """A file taken apart.

    Attributes:
        xmp: body of the first chunk that holds a packet, not inflated yet: the others never are.
    """

    header: _Header | None = None
    essential: list[tuple[bytes, bytes]] = field(default_factory=list)
    exif: bytes | None = None
    xmp: bytes | None = None
    icc: bytes | None = None
    record: list[bytes] = field(default_factory=list)

    def transparency(self) -> bytes | None:
        return next((body for kind, body in self.essential if kind == b"tRNS"), None)


def read_png(data: bytes, limits: Limits) -> Stored:
    """Decode a PNG of any colour type and depth; 16-bit files give uint16.

    Raises:
        MultiFrame: it is an APNG of several frames.
        UnsupportedFormat, ImageDamaged, ImageTooLarge, RecordDamaged: as named.
    """
    parts = _take_apart(data, limits)
    header = parts.header
    if header is None:
        raise ImageDamaged("the PNG has no header")
    record = join_record(parts.record)
    xmp = None if parts.xmp is None else _xmp(parts.xmp)
    bits = header.depth * _SAMPLES[header.colour]
    size = data_size(header.width, header.height, bits, header.interlaced)
    require_data((body for kind, body in parts.essential if kind == b"IDAT"), size)
    pixels, alpha = _decode_16(header, parts) if header.depth == 16 else _decode_8(header, parts)
    return Stored(
        pixels=pixels,
        alpha=alpha,
        format="png",
        orientation=orientation_of(parts.exif),
        icc=parts.icc,
        exif=parts.exif,
        xmp=xmp,
        record=record,
    )


def write_png(pixels: NDArray[Any], alpha: NDArray[Any] | None, extras: Extras) -> bytes:
    """Encode (H, W, 3) uint8 or uint16 pixels and (H, W) alpha losslessly."""
    if pixels.dtype == np.uint8:
        plain = save_as(pixels, alpha, "PNG", compress_level=_COMPRESSION)
    else:
        plain = _encode_16(pixels, alpha)
    head = len(SIGNATURE) + 25
    # Between header and image data; the record, which may be long, behind the image data.
    return b"".join((plain[:head], *_front(extras), plain[head:-12], *_back(extras), plain[-12:]))


def _front(extras: Extras) -> Iterator[bytes]:
    if extras.icc is not None:
        yield _chunk(b"iCCP", b"ICC\0\0" + zlib.compress(extras.icc))
    if extras.exif is not None:
        yield _chunk(b"eXIf", extras.exif)
    if extras.xmp is not None:
        yield _chunk(b"iTXt", _XMP_KEYWORD + b"\0\0\0\0\0" + extras.xmp)


def _back(extras: Extras) -> Iterator[bytes]:
    if extras.record is not None:
        for part in split_record(extras.record, _MAX_RECORD_PART):
            yield _chunk(_RECORD, part)


def _chunk(kind: bytes, body: bytes) -> bytes:
    return b"".join((struct.pack(">I", len(body)), kind, body, struct.pack(">I", zlib.crc32(body, zlib.crc32(kind)))))


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Kind and body of each chunk up to IEND, checksums verified; what follows IEND is ignored."""
    at = len(SIGNATURE)
    while True:
        if at + 12 > len(data):
            raise ImageDamaged("the PNG is truncated")
        length, kind = struct.unpack_from(">I4s", data, at)
        end = at + 12 + length
        if end > len(data):
            raise ImageDamaged("the PNG is truncated or corrupt")
        body = data[at + 8 : end - 4]
        if zlib.crc32(body, zlib.crc32(kind)) != struct.unpack_from(">I", data, end - 4)[0]:
            raise ImageDamaged("the PNG is corrupt: a checksum does not match")
        yield kind, body
        if kind == b"IEND":
            return
        at = end


def _take_apart(data: bytes, limits: Limits) -> _Parts:
    parts = _Parts()
    for kind, body in few_chunks(_chunks(data)):
        if kind == b"IHDR":
            if parts.header is not None:
                raise ImageDamaged("the PNG has two headers")
            parts.header = _header(body, limits)
        elif parts.header is None:
            raise ImageDamaged("the PNG does not start with its header")
        if kind in _ESSENTIAL:
            parts.essential.append((kind, body))
        elif kind[0] & 0x20 == 0:
            raise UnsupportedFormat("the PNG needs an extension that is not supported")
        else:
            _collect(parts, kind, body)
    return parts


def _header(body: bytes, limits: Limits) -> _Header:
    width, height, depth, colour, compression, filtering, interlace = struct.unpack(">IIBBBBB", body)
    limits.check_size(width, height)
    if colour not in _SAMPLES or compression or filtering or interlace > 1:
        raise ImageDamaged("the PNG has an invalid header")
    return _Header(width, height, depth, colour, bool(interlace))


def _collect(parts: _Parts, kind: bytes, body: bytes) -> None:
    if kind == b"acTL" and struct.unpack_from(">I", body)[0] > 1:
        raise MultiFrame("the file holds an animation; send a single image")
    if kind == b"eXIf":
        parts.exif = parts.exif or body
    elif kind == b"iCCP":
        parts.icc = parts.icc or _icc(body)
    elif kind == b"iTXt" and body.startswith(_XMP_KEYWORD + b"\0"):
        parts.xmp = parts.xmp or body
    elif kind == _RECORD:
        parts.record.append(body)


def _icc(body: bytes) -> bytes:
    profile = inflate(body[body.index(b"\0") + 2 :], MAX_ICC)
    if profile is None:
        raise ImageTooLarge("the colour profile in the image is too large")
    return profile


def _xmp(body: bytes) -> bytes | None:
    """The packet of an iTXt chunk; None when it is over the limit, since nothing depends on it."""
    at = len(_XMP_KEYWORD) + 1
    compressed = body[at] == 1
    text = body[at + 2 :].split(b"\0", 2)[2]
    return inflate(text, MAX_XMP) if compressed else text[:MAX_XMP]


def _decode_8(header: _Header, parts: _Parts) -> tuple[NDArray[np.uint8], NDArray[np.uint8] | None]:
    chunks = list(parts.essential)
    key = parts.transparency()
    if header.colour == _GREY and key is not None and header.depth in (2, 4):
        # Pillow spreads such samples over 0..255 but compares them with the key as it stands.
        scaled = struct.unpack_from(">H", key)[0] * 255 // ((1 << header.depth) - 1)
        chunks = [(kind, struct.pack(">H", scaled) if kind == b"tRNS" else body) for kind, body in chunks]
    image = open_as(_assemble(chunks), "PNG")
    return rgb_and_alpha(image, has_alpha=key is not None or header.colour in (_GREY_ALPHA, _RGBA))


def _assemble(chunks: list[tuple[bytes, bytes]]) -> bytes:
    return SIGNATURE + b"".join(_chunk(kind, body) for kind, body in chunks)


def _decode_16(header: _Header, parts: _Parts) -> tuple[NDArray[np.uint16], NDArray[np.uint16] | None]:
    plain = _assemble([(kind, body) for kind, body in parts.essential if kind not in (b"tRNS", b"PLTE")])
    raw: Any = cv2.imdecode(np.frombuffer(plain, np.uint8), cv2.IMREAD_UNCHANGED)
    if raw is None or raw.dtype != np.uint16 or raw.shape[:2] != (header.height, header.width):
        raise ImageDamaged("the PNG is corrupt")
    if raw.ndim == 2:
        pixels = np.repeat(raw[..., None], 3, axis=2)
    else:
        pixels = np.ascontiguousarray(raw[..., 2::-1])
    if raw.ndim == 3 and raw.shape[2] == 4:
        return pixels, np.ascontiguousarray(raw[..., 3])
    return pixels, _keyed_alpha(pixels, header.colour, parts.transparency())


def _keyed_alpha(pixels: NDArray[np.uint16], colour: int, key: bytes | None) -> NDArray[np.uint16] | None:
    if key is None or colour not in (_GREY, _RGB):
        return None
    value = np.frombuffer(key, ">u2", count=_SAMPLES[colour])
    return np.where((pixels == value).all(axis=2), 0, 0xFFFF).astype(np.uint16)


def _encode_16(pixels: NDArray[np.uint16], alpha: NDArray[np.uint16] | None) -> bytes:
    bgr = pixels[..., ::-1] if alpha is None else np.dstack((pixels[..., ::-1], alpha))
    done, data = cv2.imencode(".png", np.ascontiguousarray(bgr), [cv2.IMWRITE_PNG_COMPRESSION, _COMPRESSION])
    if not done:
        raise ImageTooLarge("the image is too large to be written as PNG")
    return data.tobytes()
