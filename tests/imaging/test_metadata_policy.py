"""The original face hides in many places of a file; none of them reaches the output under any policy."""

import io
import struct
import zlib

import numpy as np
import pytest
import tifffile
from PIL import Image, ImageCms
from PIL.ExifTags import GPS, IFD, Base
from PIL.TiffImagePlugin import IFDRational

from service.imaging import decode, encode
from tests.imaging.sample_images import (
    chunk,
    icc_profile,
    noise,
    picture,
    raw_png,
    riff_chunks,
    saved,
    segment,
    smooth,
    with_segments,
)

MARK = b"ORIGINAL-FACE"
THUMBNAIL = saved(noise(24, 24), "JPEG") + MARK
PANORAMA = (("CroppedAreaLeftPixels", "12"), ("PoseHeadingDegrees", "-90.5"), ("ProjectionType", "equirectangular"))
XMP = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description GPano:ProjectionType="equirectangular" '
    b'GPano:PoseHeadingDegrees = "-90.5" GPano:StitchingSoftware="ORIGINAL-FACE" GPano:FullPanoWidthPixels="1e9x" '
    b'xmpGImg:image="ORIGINAL-FACE"><GPano:CroppedAreaLeftPixels>12</GPano:CroppedAreaLeftPixels>'
    b"<GImage:Data>ORIGINAL-FACE</GImage:Data></rdf:Description></x:xmpmeta>"
)
OUTPUTS = ["png", "jpeg", "webp", "tiff"]


def planted_exif() -> bytes:
    """EXIF with safe values, and the mark in every other place; as a TIFF structure."""
    exif = Image.Exif()
    exif[Base.Make] = "Camera Co"
    exif[Base.DateTime] = "2024:05:06 07:08:09"
    exif[Base.Orientation] = 6
    exif[Base.ImageDescription] = MARK.decode()
    exif[Base.XPComment] = MARK
    camera = exif.get_ifd(IFD.Exif)
    camera[Base.ISOSpeedRatings] = 400
    camera[Base.FNumber] = IFDRational(28, 10)
    camera[Base.LensModel] = "50mm"
    camera[Base.OffsetTimeOriginal] = "+02:00"
    camera[Base.MakerNote] = MARK
    camera[Base.UserComment] = MARK
    place = exif.get_ifd(IFD.GPSInfo)
    place[GPS.GPSLatitudeRef] = "N"
    place[GPS.GPSLatitude] = (IFDRational(59), IFDRational(20), IFDRational(11, 2))
    place[GPS.GPSAreaInformation] = MARK
    tiff = bytearray(exif.tobytes()[6:])
    # A second directory (the thumbnail's) behind the first, as cameras write it.
    order = "<" if tiff[:2] == b"II" else ">"
    first = struct.unpack_from(order + "I", tiff, 4)[0]
    after = first + 2 + 12 * struct.unpack_from(order + "H", tiff, first)[0]
    struct.pack_into(order + "I", tiff, after, len(tiff))
    entries = [(0x0103, 3, 1, 6), (0x0201, 4, 1, len(tiff) + 42), (0x0202, 4, 1, len(THUMBNAIL))]
    directory = struct.pack(order + "H", 3) + b"".join(struct.pack(order + "HHII", *entry) for entry in entries)
    return bytes(tiff) + directory + struct.pack(order + "I", 0) + THUMBNAIL


def planted_jpeg() -> bytes:
    plain = saved(smooth(40, 56), "JPEG")
    thumbnail = b"JFIF\0\1\1\0\0\1\0\1\2\2" + (MARK * 2)[:12]
    start = plain.index(b"\xff\xe0")
    body = plain[:start] + plain[start + 2 + struct.unpack_from(">H", plain, start + 2)[0] :]
    whole = with_segments(
        body,
        segment(0xE0, thumbnail),
        segment(0xE0, b"JFXX\0\x10" + THUMBNAIL),
        segment(0xE1, b"Exif\0\0" + planted_exif()),
        segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + XMP),
        segment(0xE1, b"http://ns.adobe.com/xmp/extension/\0" + MARK),
        segment(0xE2, b"ICC_PROFILE\0\1\1" + icc_profile()),
        segment(0xE2, b"MPF\0" + MARK),
        segment(0xE2, b"urn:iso:std:iso:ts:21496:-1\0" + MARK),
        segment(0xED, b"Photoshop 3.0\x008BIM\x04\x0c" + THUMBNAIL),
        segment(0xEB, b"JP\0\0" + MARK),
        segment(0xFE, MARK),
    )
    return whole + saved(noise(40, 56), "JPEG", comment=MARK) + MARK


def planted_png() -> bytes:
    rows = [row.tobytes() for row in smooth(40, 56)]
    extra = [
        chunk(b"iCCP", b"ORIGINAL-FACE\0\0" + zlib.compress(icc_profile())),
        chunk(b"eXIf", planted_exif()),
        chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + XMP),
        chunk(b"tEXt", b"Comment\0" + MARK),
        chunk(b"iTXt", b"Comment\0\0\0\0\0" + MARK),
        chunk(b"prVW", THUMBNAIL),
    ]
    return raw_png(56, 40, 8, 2, rows, *extra) + MARK


def planted_webp() -> bytes:
    exif = b"Exif\0\0" + planted_exif()
    return saved(smooth(40, 56), "WEBP", lossless=True, exif=exif, xmp=XMP, icc_profile=icc_profile()) + MARK


def planted_tiff() -> bytes:
    """A TIFF that holds the planted EXIF as its own tags, as far as Pillow writes them."""
    exif = Image.Exif()
    exif.load(b"Exif\0\0" + planted_exif())
    info = {tag: value for tag, value in exif.items() if tag not in (IFD.Exif, IFD.GPSInfo)}
    info.update({IFD.Exif: dict(exif.get_ifd(IFD.Exif)), IFD.GPSInfo: dict(exif.get_ifd(IFD.GPSInfo))})
    info.update({700: XMP, 33723: MARK, 34377: THUMBNAIL, 305: MARK.decode()})
    return saved(smooth(40, 56), "TIFF", tiffinfo=info, icc_profile=icc_profile()) + MARK


def planted_bmp() -> bytes:
    return saved(smooth(40, 56), "BMP") + MARK


PLANTED = {"jpeg": planted_jpeg, "png": planted_png, "webp": planted_webp, "tiff": planted_tiff, "bmp": planted_bmp}


@pytest.mark.parametrize("metadata", ["strip", "keep-safe"])
@pytest.mark.parametrize("output", OUTPUTS)
@pytest.mark.parametrize("source", PLANTED)
def test_nothing_planted_survives(source, output, metadata):
    data = PLANTED[source]()
    assert MARK in data

    found = decode(data)
    out = encode(found, format=output, record=b"record", metadata=metadata)

    assert MARK not in out and THUMBNAIL[:40] not in out and MARK[:12] not in out
    assert found.pixels.shape == ((40, 56, 3) if source == "bmp" else (56, 40, 3))
    assert found.icc == (None if source == "bmp" else icc_profile())
    if metadata == "strip":
        assert b"Camera Co" not in out and b"equirectangular" not in out and b"2024:05" not in out


@pytest.mark.parametrize("output", OUTPUTS)
@pytest.mark.parametrize("source", ["jpeg", "png", "webp", "tiff"])
def test_keep_safe_keeps_the_allow_list(source, output):
    out = encode(decode(PLANTED[source]()), format=output, record=None, metadata="keep-safe")

    with Image.open(io.BytesIO(out)) as image:
        exif = image.getexif()
        camera, place = exif.get_ifd(IFD.Exif), exif.get_ifd(IFD.GPSInfo)
    assert exif[Base.Make] == "Camera Co" and exif[Base.DateTime] == "2024:05:06 07:08:09"
    assert exif.get(Base.Orientation, 1) == 1
    assert dict(camera) == {
        Base.ISOSpeedRatings: 400,
        Base.FNumber: 2.8,
        Base.LensModel: "50mm",
        Base.OffsetTimeOriginal: "+02:00",
    }
    assert dict(place) == {GPS.GPSLatitudeRef: "N", GPS.GPSLatitude: (59.0, 20.0, 5.5)}
    again = decode(out)
    assert again.panorama == PANORAMA
    # A second pass has nothing left to remove, and loses nothing.
    if output in ("png", "tiff"):
        assert encode(again, format=output, record=None, metadata="keep-safe") == out


def test_strip_leaves_no_metadata_blocks():
    found = decode(planted_jpeg())
    webp = riff_chunks(encode(found, format="webp", record=b"odd", metadata="strip"))
    assert set(webp) == {b"VP8X", b"ICCP", b"VP8 ", b"VSRD"} and webp[b"VP8X"][0] == 0x20
    tiff = encode(found, format="tiff", record=b"record", metadata="strip")
    with tifffile.TiffFile(io.BytesIO(tiff)) as file:
        codes = {tag.code for tag in file.pages[0].tags}
    assert codes == {256, 257, 258, 259, 262, 273, 277, 278, 279, 317, 34675, 65000}


def test_text_after_a_nul_and_long_text_do_not_pass():
    exif = Image.Exif()
    exif[Base.Make] = "Camera\0" + MARK.decode()
    exif[Base.Model] = MARK.decode() * 20
    data = saved(smooth(16, 16), "PNG", exif=exif)
    out = encode(decode(data), format="png", record=None, metadata="keep-safe")
    assert b"Camera" in out and MARK not in out


def test_free_text_about_the_place_does_not_pass_as_ascii_either():
    image = b"II*\0" + struct.pack("<IHHHIII", 8, 1, 0x8825, 4, 1, 26, 0)
    place = struct.pack("<H", 2) + struct.pack("<HHI4s", 1, 2, 2, b"N") + struct.pack("<HHII", 27, 2, len(MARK), 56)
    exif = image + place + bytes(4) + MARK
    found = decode(with_segments(saved(smooth(16, 24), "JPEG"), segment(0xE1, b"Exif\0\0" + exif)))
    out = encode(found, format="png", record=None, metadata="keep-safe")
    assert Image.open(io.BytesIO(out)).getexif().get_ifd(IFD.GPSInfo) == {GPS.GPSLatitudeRef: "N"}
    assert MARK not in out


@pytest.mark.parametrize(
    ("id", "kind", "count"),
    [(0x829D, 2, len(MARK)), (0x829D, 1, len(MARK)), (0x010F, 1, len(MARK)), (0x010F, 3, len(MARK) // 2)],
)
def test_a_tag_holds_what_its_number_says_or_does_not_pass(id, kind, count):
    data = MARK.ljust(64, b"\0")
    first = struct.pack("<H", 1) + struct.pack("<HHII", id, kind, count, 8) + bytes(4)
    if id > 0x8000:
        at = 8 + len(data) + len(first)
        first = struct.pack("<H", 1) + struct.pack("<HHII", 0x8769, 4, 1, at) + bytes(4) + first
    exif = b"II*\0" + struct.pack("<I", 8 + len(data)) + data + first
    found = decode(with_segments(saved(smooth(16, 24), "JPEG"), segment(0xE1, b"Exif\0\0" + exif)))
    assert MARK[:12] not in encode(found, format="tiff", record=None, metadata="keep-safe")


def test_unreadable_metadata_does_not_stop_an_image():
    for exif in (b"", b"II*\0", b"MM\0*\xff\xff\xff\xff", b"II*\0\x08\0\0\0\xff\xff", b"junk" * 9):
        plain = saved(smooth(16, 24), "JPEG")
        found = decode(with_segments(plain, segment(0xE1, b"Exif\0\0" + exif)))
        assert found.pixels.shape == (16, 24, 3)
        assert np.array_equal(found.pixels, decode(plain).pixels)
        encode(found, format="jpeg", record=None, metadata="keep-safe")


def test_missing_icc_chunk_means_no_profile():
    half = segment(0xE2, b"ICC_PROFILE\0\1\2" + icc_profile())
    assert decode(with_segments(saved(smooth(16, 24), "JPEG"), half)).icc is None


def test_large_profiles_span_segments():
    profile = icc_profile(more=noise(300, 300, channels=2).tobytes())
    out = encode(picture(smooth(16, 24), icc=profile), format="jpeg", record=None, metadata="strip")
    assert decode(out).icc == profile


@pytest.mark.parametrize("plugin", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("output", OUTPUTS)
def test_what_stands_behind_a_profile_does_not_pass(plugin, output):
    data = saved(smooth(16, 24), plugin, icc_profile=icc_profile() + THUMBNAIL)
    found = decode(data)
    assert found.icc == icc_profile()
    out = encode(found, format=output, record=None, metadata="strip")
    assert MARK not in out and THUMBNAIL[:40] not in out
    # A PNG holds the profile compressed; another reader than ours takes all there is.
    with Image.open(io.BytesIO(out)) as image:
        assert image.info["icc_profile"] == icc_profile()


HIDING = {
    "private tag": icc_profile(foreign={b"thmb": THUMBNAIL}),
    "text": icc_profile(foreign={b"desc": THUMBNAIL * 9}),
    "curve": icc_profile(foreign={b"gTRC": THUMBNAIL * 99}),
    "numbers": icc_profile(foreign={b"rXYZ": THUMBNAIL}),
    "gaps": icc_profile(between=THUMBNAIL),
    "header": icc_profile()[:100] + MARK + icc_profile()[100 + len(MARK) :],
}


@pytest.mark.parametrize("plugin", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("place", HIDING)
def test_a_profile_holds_colours_and_nothing_else(place, plugin):
    found = decode(saved(smooth(16, 24), plugin, icc_profile=HIDING[place]))
    assert found.icc is not None and len(found.icc) == len(HIDING[place])
    assert MARK not in found.icc and THUMBNAIL[:40] not in found.icc
    # The colours themselves are where they were.
    assert b"XYZ " + bytes(range(16)) in found.icc and bytes(range(250)) * 2 in found.icc
    assert decode(encode(found, format="png", record=None, metadata="strip")).icc == found.icc


def test_a_profile_of_the_field_stays_as_it_is():
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    found = decode(saved(smooth(16, 24), "JPEG", icc_profile=profile)).icc
    before, after = (ImageCms.ImageCmsProfile(io.BytesIO(one)) for one in (profile, found))
    turn = ImageCms.buildTransform(before, after, "RGB", "RGB", ImageCms.Intent.RELATIVE_COLORIMETRIC)
    shown = Image.fromarray(noise(16, 16))
    turned = np.asarray(ImageCms.applyTransform(shown, turn)).astype(int)
    assert abs(turned - np.asarray(shown)).max() <= 1


def test_the_digest_of_a_profile_stays_as_long_as_it_holds():
    for foreign, digest in ({}, b"16 bytes of MD5."), ({b"thmb": THUMBNAIL}, bytes(16)):
        profile = icc_profile(foreign=foreign)
        profile = profile[:84] + b"16 bytes of MD5." + profile[100:]
        assert decode(saved(smooth(16, 24), "JPEG", icc_profile=profile)).icc[84:100] == digest


def test_a_profile_of_very_many_tags_is_dropped():
    for count, kept in (98, True), (99, False):
        profile = icc_profile(foreign={f"t{i:03}".encode(): b"" for i in range(count)})
        assert (decode(saved(smooth(16, 24), "JPEG", icc_profile=profile)).icc is not None) == kept


@pytest.mark.parametrize("damage", [{128: 0xFF}, {136: 0xFF}, {138: 0, 139: 4}, {16: ord("C")}, {36: 0}])
def test_a_profile_that_cannot_be_followed_is_dropped(damage):
    profile = bytearray(icc_profile())
    for at, byte in damage.items():
        profile[at] = byte
    assert decode(saved(smooth(16, 24), "JPEG", icc_profile=bytes(profile))).icc is None


@pytest.mark.parametrize("size", [0, 127, len(icc_profile()) + 1, 0xFFFFFFFF])
def test_profiles_of_an_impossible_size_are_dropped(size):
    profile = struct.pack(">I", size) + icc_profile()[4:]
    assert decode(saved(smooth(16, 24), "PNG", icc_profile=profile)).icc is None
    assert decode(saved(smooth(16, 24), "JPEG", icc_profile=profile)).icc is None
