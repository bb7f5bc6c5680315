"""TIFF in (TIFF 6.0): single page, 1, 8 or 16 bits, lossless compression.

libtiff, through Pillow, only undoes the compression: it is given a fresh file that declares the
strips as one plane of bytes, so it sees no tag that is not needed. Everything else, 16-bit samples
among it, is interpreted here.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.errors import ImageDamaged, ImageTooLarge, MultiFrame, RecordDamaged, UnsupportedFormat
from service.imaging import tiff_tags as tags
from service.imaging.ifd import Ifd, Tag, build_tiff, open_ifd
from service.imaging.limits import MAX_ICC, MAX_XMP, Limits
from service.imaging.metadata import ORIENTATION, safe_exif
from service.imaging.picture import Stored
from service.imaging.raster import open_as, samples
from service.imaging.record_parts import MAX_RECORD, check_record

_MAX_SEGMENTS = 1 << 20


@dataclass(frozen=True, slots=True)
class _Layout:
    """How samples lie in the file.

    Attributes:
        tile: width and height of a tile, None for strips.
        rows_per_strip: of strips.
        planar: one plane per sample instead of interleaved samples.
        alpha: what the sample behind the colours is: None, ``plain`` or ``premultiplied``.
    """

    width: int
    height: int
    bits: int
    samples: int
    photometric: int
    compression: int
    predictor: int
    planar: bool
    tile: tuple[int, int] | None
    rows_per_strip: int
    alpha: str | None

    @property
    def row_bytes(self) -> int:
        """Bytes of one row of one plane."""
        return self._bytes_for(self.width)

    @property
    def rows(self) -> int:
        """Rows of all planes."""
        return self.height * (self.samples if self.planar else 1)

    def _bytes_for(self, width: int) -> int:
        return width * self.bits // 8 * (1 if self.planar else self.samples)

    def disguise(self) -> list[Tag]:
        """Tags that declare the same segments as one plane of bytes, or of bits."""
        width, bits = (self.width, 1) if self.bits == 1 else (self.row_bytes, 8)
        declared = [
            Tag.longs(tags.WIDTH, width),
            Tag.longs(tags.HEIGHT, self.rows),
            Tag.shorts(tags.BITS, bits),
            Tag.shorts(tags.COMPRESSION, self.compression),
            Tag.shorts(tags.PHOTOMETRIC, tags.BLACK_IS_ZERO),
            Tag.shorts(tags.SAMPLES, 1),
        ]
        if self.tile is None:
            return [*declared, Tag.longs(tags.ROWS_PER_STRIP, self.rows_per_strip)]
        columns = self.tile[0] if self.bits == 1 else self._bytes_for(self.tile[0])
        return [*declared, Tag.longs(tags.TILE_WIDTH, columns), Tag.longs(tags.TILE_HEIGHT, self.tile[1])]


def read_tiff(data: bytes, limits: Limits) -> Stored:
    """Decode a TIFF of one page.

    Raises:
        MultiFrame: it has several pages.
        UnsupportedFormat, ImageDamaged, ImageTooLarge, RecordDamaged: as named.
    """
    ifd = open_ifd(data)
    if ifd.next:
        raise MultiFrame("the TIFF holds several pages; send a single image")
    layout = _layout(ifd, limits)
    record = _record(ifd)
    icc = _icc(ifd)
    xmp = ifd.tag(tags.XMP, MAX_XMP)
    stored = _interpret(_segments(data, ifd, layout), layout, ifd)
    pixels, alpha = _colours(stored, layout, ifd)
    orientation = _one(ifd, ORIENTATION, 1)
    return Stored(
        pixels=pixels,
        alpha=alpha,
        format="tiff",
        orientation=orientation if 1 <= orientation <= 8 else 1,
        icc=icc,
        # The file itself is the EXIF structure: only its safe tags are taken along.
        exif=safe_exif(data),
        xmp=None if xmp is None else xmp.value,
        record=record,
    )


def _layout(ifd: Ifd, limits: Limits) -> _Layout:
    width, height = _one(ifd, tags.WIDTH, 0), _one(ifd, tags.HEIGHT, 0)
    limits.check_size(width, height)
    count = _one(ifd, tags.SAMPLES, 1)
    photometric = _one(ifd, tags.PHOTOMETRIC, tags.BLACK_IS_ZERO)
    depths = set(ifd.ints(tags.BITS, 8)) or {1}
    extra = count - tags.COLOURS.get(photometric, 99)
    bits = depths.pop()
    if depths or extra not in (0, 1) or (bits, photometric) not in tags.READABLE or (bits == 1 and count > 1):
        raise UnsupportedFormat("this kind of TIFF is not supported: grey, RGB or palette, 8 or 16 bits, are")
    layout = _Layout(
        width=width,
        height=height,
        bits=bits,
        samples=count,
        photometric=photometric,
        compression=_one(ifd, tags.COMPRESSION, 1),
        predictor=_one(ifd, tags.PREDICTOR, 1),
        planar=count > 1 and _one(ifd, tags.PLANAR, 1) == 2,
        tile=_tile(ifd, limits),
        rows_per_strip=min(max(_one(ifd, tags.ROWS_PER_STRIP, height), 1), height),
        alpha=_alpha_kind(ifd, extra),
    )
    _check_supported(ifd, layout)
    return layout


def _check_supported(ifd: Ifd, layout: _Layout) -> None:
    segment_rows = layout.rows_per_strip if layout.tile is None else layout.tile[1]
    if (
        layout.compression not in tags.COMPRESSIONS
        or layout.predictor not in (1, 2)
        or (layout.predictor == 2 and layout.bits == 1)
        or _one(ifd, tags.FILL_ORDER, 1) != 1
        or set(ifd.ints(tags.SAMPLE_FORMAT, 8)) - {1}
        or (layout.planar and layout.height % segment_rows)
    ):
        raise UnsupportedFormat("this kind of TIFF compression or layout is not supported")


def _one(ifd: Ifd, id: int, default: int) -> int:
    values = ifd.ints(id, 8)
    return values[0] if values else default


def _tile(ifd: Ifd, limits: Limits) -> tuple[int, int] | None:
    width, height = _one(ifd, tags.TILE_WIDTH, 0), _one(ifd, tags.TILE_HEIGHT, 0)
    if not (width or height):
        return None
    limits.check_size(width, height)
    if width % 16 or height % 16:
        raise ImageDamaged("the TIFF declares invalid tiles")
    return width, height


def _alpha_kind(ifd: Ifd, extra: int) -> str | None:
    meaning = _one(ifd, tags.EXTRA_SAMPLES, tags.PLAIN_ALPHA)
    return {1: "premultiplied", 2: "plain"}.get(meaning) if extra else None


def _segments(data: bytes, ifd: Ifd, layout: _Layout) -> NDArray[np.uint8]:
    """The decompressed bytes, (rows, row bytes)."""
    pair = (tags.STRIP_OFFSETS, tags.STRIP_BYTES) if layout.tile is None else (tags.TILE_OFFSETS, tags.TILE_BYTES)
    offsets, sizes = (ifd.ints(id, _MAX_SEGMENTS) for id in pair)
    down = -(-layout.rows // (layout.rows_per_strip if layout.tile is None else layout.tile[1]))
    across = 1 if layout.tile is None else -(-layout.width // layout.tile[0])
    spans = list(zip(offsets, sizes, strict=False))[: down * across]
    if len(spans) < down * across or any(offset + size > len(data) for offset, size in spans):
        raise ImageDamaged("the TIFF is truncated")
    if sum(size for _, size in spans) > len(data):
        raise ImageDamaged("the TIFF is corrupt")
    if layout.compression == 1 and sum(size for _, size in spans) < layout.rows * layout.row_bytes:
        raise ImageDamaged("the TIFF is truncated")
    pieces = [data[offset : offset + size] for offset, size in spans]
    plain = build_tiff(layout.disguise(), segments=pieces, tiled=layout.tile is not None)
    return samples(open_as(plain, "TIFF"))


def _interpret(raw: NDArray[np.uint8], layout: _Layout, ifd: Ifd) -> NDArray[Any]:
    """(H, W, samples) uint8 or uint16, differences undone."""
    stored: NDArray[Any] = raw.view(f"{ifd.order}u2").astype(np.uint16) if layout.bits == 16 else raw
    if layout.planar:
        stored = stored.reshape(layout.samples, layout.height, layout.width).transpose(1, 2, 0)
    else:
        stored = stored.reshape(layout.height, layout.width, layout.samples)
    if layout.predictor == 1:
        return stored
    summed = np.empty(stored.shape, stored.dtype)
    step = layout.width if layout.tile is None else layout.tile[0]
    for left in range(0, layout.width, step):
        columns = slice(left, left + step)
        np.cumsum(stored[:, columns], axis=1, dtype=stored.dtype, out=summed[:, columns])
    return summed


def _colours(stored: NDArray[Any], layout: _Layout, ifd: Ifd) -> tuple[NDArray[Any], NDArray[Any] | None]:
    """(H, W, 3) RGB and (H, W) alpha from samples as stored."""
    count = tags.COLOURS[layout.photometric]
    colours = stored[..., :count]
    top = np.iinfo(stored.dtype).max
    if layout.photometric == tags.PALETTE:
        colours = _palette(ifd)[colours[..., 0]]
    elif layout.photometric == tags.WHITE_IS_ZERO:
        colours = top - colours
    if colours.shape[2] == 1:
        colours = np.repeat(colours, 3, axis=2)
    pixels = np.ascontiguousarray(colours)
    if layout.alpha is None:
        return pixels, None
    alpha = np.ascontiguousarray(stored[..., count])
    return (_unmultiplied(pixels, alpha, top) if layout.alpha == "premultiplied" else pixels), alpha


def _palette(ifd: Ifd) -> NDArray[np.uint8]:
    """(256, 3) colours; the file holds 16-bit values, all reds first."""
    values = ifd.ints(tags.COLOUR_MAP, 3 * 256)
    if len(values) != 3 * 256:
        raise ImageDamaged("the TIFF has no usable palette")
    return (np.array(values).reshape(3, 256).T >> 8).astype(np.uint8)


def _unmultiplied(pixels: NDArray[Any], alpha: NDArray[Any], top: int) -> NDArray[Any]:
    divisor = np.maximum(alpha, 1).astype(np.uint32)[..., None]
    plain: NDArray[Any] = np.minimum((pixels.astype(np.uint32) * top + divisor // 2) // divisor, top).astype(
        pixels.dtype
    )
    return plain


def _icc(ifd: Ifd) -> bytes | None:
    if ifd.size(tags.ICC) > MAX_ICC:
        raise ImageTooLarge("the colour profile in the image is too large")
    tag = ifd.tag(tags.ICC, MAX_ICC)
    if tag is None and ifd.size(tags.ICC):
        raise ImageDamaged("the TIFF is truncated")
    return None if tag is None else tag.value


def _record(ifd: Ifd) -> bytes | None:
    if not ifd.size(tags.RECORD):
        return None
    tag = ifd.tag(tags.RECORD, MAX_RECORD)
    if tag is None:
        raise RecordDamaged("the record in the image is incomplete or too long")
    return check_record(tag.value)
