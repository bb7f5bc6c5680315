"""What ``keep-safe`` keeps: tags on an allow-list, checked one by one and written into fresh blocks.

Nothing is copied as a block, so thumbnails, maker notes, comments and whatever else a camera put
beside these tags cannot come along. Free text that software fills in is not on the list.
"""

import re
import struct

from service.imaging.ifd import (
    ASCII,
    BYTE,
    EXIF_IFD,
    GPS_IFD,
    LONG,
    RATIONAL,
    SHORT,
    SIGNED_RATIONAL,
    Ifd,
    Tag,
    build_tiff,
    open_ifd,
)

ORIENTATION = 0x0112
_MAX_VALUE = 128
_MAX_NUMBERS = 4
_KINDS = {BYTE, ASCII, SHORT, LONG, RATIONAL, SIGNED_RATIONAL}
_IMAGE_TAGS = (
    0x010F,  # Make
    0x0110,  # Model
    0x0132,  # DateTime
)
_EXIF_TAGS = (
    0x829A,  # ExposureTime
    0x829D,  # FNumber
    0x8827,  # ISO
    0x9003,  # DateTimeOriginal
    0x9004,  # DateTimeDigitized
    0x9010,  # OffsetTime
    0x9011,  # OffsetTimeOriginal
    0x9012,  # OffsetTimeDigitized
    0x920A,  # FocalLength
    0xA434,  # LensModel
)
# Without GPSProcessingMethod (27) and GPSAreaInformation (28): free text.
_GPS_TAGS = (*range(27), *range(29, 32))
_TEXTS = {
    *(0x010F, 0x0110, 0x0132, 0x9003, 0x9004, 0x9010, 0x9011, 0x9012, 0xA434),
    *(1, 3, 8, 9, 10, 12, 14, 16, 18, 19, 21, 23, 25, 29),
}
"""Those that hold text (Exif 2.32, sections 4.6.4 to 4.6.6); the others hold a few numbers."""

_NUMBER = r"-?\d{1,9}(?:\.\d{1,9})?"
_PANORAMA = {
    "ProjectionType": "equirectangular|cylindrical|rectilinear",
    "UsePanoramaViewer": "(?i:true|false)",
    **dict.fromkeys(
        (
            "CroppedAreaImageHeightPixels",
            "CroppedAreaImageWidthPixels",
            "CroppedAreaLeftPixels",
            "CroppedAreaTopPixels",
            "FullPanoHeightPixels",
            "FullPanoWidthPixels",
            "InitialHorizontalFOVDegrees",
            "InitialVerticalFOVDegrees",
            "InitialViewHeadingDegrees",
            "InitialViewPitchDegrees",
            "InitialViewRollDegrees",
            "PoseHeadingDegrees",
            "PosePitchDegrees",
            "PoseRollDegrees",
            "SourcePhotosCount",
        ),
        _NUMBER,
    ),
}
_GPANO = "http://ns.google.com/photos/1.0/panorama/"
# As an attribute, or as an element. No XML parser: there are no entities to expand this way.
_PROPERTY = re.compile(r"""GPano:(\w{1,40})(?:\s{0,9}=\s{0,9}["']([^"'<>&]{1,40})["']|>([^"'<>&]{1,40})</GPano:)""")


def orientation_of(exif: bytes | None) -> int:
    """EXIF orientation, 1 to 8; 1 when there is none or the payload cannot be read."""
    value = _orientation_values(exif) if exif is not None else ()
    return value[0] if value and 1 <= value[0] <= 8 else 1


def safe_exif(exif: bytes | None) -> bytes | None:
    """A fresh EXIF payload with the allow-listed tags of ``exif``; None when there are none."""
    image, camera, place = safe_tags(exif)
    if not (image or camera or place):
        return None
    return build_tiff(image, exif=camera, gps=place)


def panorama_of(xmp: bytes | None) -> tuple[tuple[str, str], ...]:
    """Allow-listed GPano properties of an XMP packet, by name; values are numbers or known words."""
    found: dict[str, str] = {}
    for name, attribute, element in _PROPERTY.findall((xmp or b"").decode("utf-8", "replace")):
        value = (attribute or element).strip()
        if name in _PANORAMA and re.fullmatch(_PANORAMA[name], value, re.ASCII):
            found.setdefault(name, value)
    return tuple(sorted(found.items()))


def panorama_packet(properties: tuple[tuple[str, str], ...]) -> bytes | None:
    """A fresh XMP packet with these GPano properties only; None when there are none."""
    if not properties:
        return None
    attributes = " ".join(f'GPano:{name}="{value}"' for name, value in properties)
    return (
        '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        f'<rdf:Description rdf:about="" xmlns:GPano="{_GPANO}" {attributes}/></rdf:RDF></x:xmpmeta>'
    ).encode()


def _orientation_values(exif: bytes) -> tuple[int, ...]:
    try:
        return open_ifd(exif).ints(ORIENTATION, 1)
    except (ValueError, struct.error):
        return ()


def safe_tags(exif: bytes | None) -> tuple[list[Tag], list[Tag], list[Tag]]:
    """Allow-listed tags of the image, EXIF and GPS directories; empty where there is nothing to read."""
    if exif is None:
        return [], [], []
    try:
        first = open_ifd(exif)
        return (
            _allowed(first, _IMAGE_TAGS),
            _allowed(first.child(EXIF_IFD), _EXIF_TAGS),
            _allowed(first.child(GPS_IFD), _GPS_TAGS),
        )
    except (ValueError, struct.error):
        return [], [], []


def _allowed(directory: Ifd | None, ids: tuple[int, ...]) -> list[Tag]:
    if directory is None:
        return []
    candidates = (directory.tag(id, _MAX_VALUE) for id in ids)
    cleaned = (_cleaned(tag) for tag in candidates if tag is not None and tag.kind in _KINDS)
    return [tag for tag in cleaned if tag is not None]


def _cleaned(tag: Tag) -> Tag | None:
    """The tag if it holds what its number says; text only as far as it is printable ASCII before its first NUL."""
    if (tag.kind == ASCII) != (tag.id in _TEXTS):
        return None
    if tag.kind != ASCII:
        return tag if tag.count <= _MAX_NUMBERS else None
    text = tag.value.split(b"\0")[0]
    if not text or any(not 0x20 <= byte < 0x7F for byte in text):
        return None
    return Tag(tag.id, ASCII, text + b"\0")
