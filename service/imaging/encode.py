"""A picture to the bytes of a file: the only way out."""

import numpy as np

from service.errors import AlphaUnsupported, DepthUnsupported, ImageTooLarge
from service.imaging.jpeg import write_jpeg
from service.imaging.metadata import panorama_packet, safe_exif
from service.imaging.picture import Extras, MetadataPolicy, OutputFormat, Picture
from service.imaging.png import write_png
from service.imaging.record_parts import check_writable
from service.imaging.tiff_write import write_tiff
from service.imaging.webp import write_webp

_MAX_SIDES: dict[OutputFormat, int] = {"jpeg": 65_500, "webp": 16_383}


def encode(picture: Picture, *, format: OutputFormat, record: bytes | None, metadata: MetadataPolicy) -> bytes:
    """Encode a picture. PNG and TIFF keep pixels and alpha exactly; so does WebP made from lossless WebP.

    JPEG from JPEG keeps quantization tables, and subsampling if it is 4:4:4, 4:2:2 or 4:2:0; rarer kinds,
    which libjpeg is not asked for through Pillow, become 4:4:4. Of the input's metadata only the colour
    profile survives ``strip``; ``keep-safe`` adds fresh EXIF and XMP blocks of allow-listed values.

    Args:
        record: embedded when given; the picture's own record is not written.

    Raises:
        DepthUnsupported: 16-bit pixels for JPEG or WebP.
        AlphaUnsupported: transparency for JPEG.
        ImageTooLarge, RecordTooLarge: the format, or any reader here, cannot hold it.
    """
    if record is not None:
        check_writable(record)
    require_fits(picture, format)
    extras = Extras(
        icc=picture.icc,
        exif=safe_exif(picture.exif) if metadata == "keep-safe" else None,
        xmp=panorama_packet(picture.panorama) if metadata == "keep-safe" else None,
        record=record,
    )
    if format == "png":
        return write_png(picture.pixels, picture.alpha, extras)
    if format == "tiff":
        return write_tiff(picture.pixels, picture.alpha, extras)
    if format == "jpeg":
        return write_jpeg(picture.pixels, picture.jpeg, extras)
    lossless = picture.format == "webp" and picture.grid is None
    return write_webp(picture.pixels, picture.alpha, lossless, extras)


def require_fits(picture: Picture, format: OutputFormat) -> None:
    """Refuse what a format cannot hold.

    Raises:
        DepthUnsupported: 16-bit pixels for JPEG or WebP.
        AlphaUnsupported: transparency for JPEG.
        ImageTooLarge: a side is too long for JPEG or WebP.
    """
    longest = _MAX_SIDES.get(format)
    if longest is not None and max(picture.pixels.shape[:2]) > longest:
        raise ImageTooLarge(f"{format} holds at most {longest} pixels a side")
    if format in ("jpeg", "webp") and picture.pixels.dtype == np.uint16:
        raise DepthUnsupported("16 bits per channel need PNG or TIFF")
    if format == "jpeg" and picture.alpha is not None and int(picture.alpha.min()) < 255:
        raise AlphaUnsupported("the image has transparency, which JPEG cannot hold; choose PNG, WebP or TIFF")
