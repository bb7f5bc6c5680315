"""A photo in, strangers out, the original back: through files of every kind."""

import io
from dataclasses import replace
from uuid import uuid4

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from service.errors import AlreadyAnonymized, NoFaces, RecordUnknown, SelectionInvalid
from service.faces.layout import NO_FACE, owner_map
from service.imaging import decode
from service.operations.anonymize import Anonymized, AnonymizeRequest, anonymize
from service.operations.detect import detect
from service.operations.parts import Parts
from service.operations.recover import Recovered, RecoverRequest, recover
from tests.conftest import TENANT
from tests.files import encoded

Pixels = NDArray[np.uint8]

REQUEST = AnonymizeRequest(tenant=TENANT)
ASK = RecoverRequest(tenant=TENANT, subject="auditor", reason="court order")


def _changed(a: Pixels, b: Pixels) -> NDArray[np.bool_]:
    return (a != b).any(axis=-1)


def _pixels(answer: Anonymized | Recovered) -> Pixels:
    return decode(answer.data).pixels


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "BMP"])
def test_lossless_photo_comes_back_bit_by_bit(kind: str, parts: Parts, portrait: Pixels) -> None:
    made = anonymize(encoded(portrait, kind), REQUEST, parts)
    back = recover(made.data, ASK, parts)
    assert (back.fidelity, back.verified, back.faces) == ("exact", "image", 1)
    assert np.array_equal(_pixels(back), portrait)


def test_only_the_face_changes_and_all_of_it(parts: Parts, portrait: Pixels) -> None:
    made = anonymize(encoded(portrait), REQUEST, parts)
    changed = _changed(_pixels(made), portrait)
    left, top, right, bottom = made.faces[0].box
    assert changed[top + 10 : bottom - 10, left + 15 : right - 15].mean() > 0.98
    height, width = bottom - top, right - left
    outside = np.ones_like(changed)
    outside[top - height // 4 : bottom + height // 4, left - width // 4 : right + width // 4] = False
    assert not changed[outside].any()


@pytest.mark.parametrize(("kind", "options"), [("JPEG", {"quality": 90}), ("WEBP", {"quality": 90})])
def test_lossy_output_gives_the_face_pixels_back_exactly(
    kind: str, options: dict[str, int], parts: Parts, portrait: Pixels
) -> None:
    data = encoded(portrait, kind, **options)
    original = decode(data).pixels
    made = anonymize(data, REQUEST, parts)
    assert made.format == kind.lower()
    back = recover(made.data, ASK, parts)
    assert (back.fidelity, back.verified) == ("exact", "faces")
    left, top, right, bottom = made.faces[0].box
    face = np.s_[top:bottom, left + 10 : right - 10]
    assert np.array_equal(_pixels(back)[face], original[face])
    assert _changed(_pixels(made)[face], original[face]).mean() > 0.9


def test_jpeg_coding_blocks_are_replaced_whole(parts: Parts, portrait: Pixels) -> None:
    data = encoded(portrait, "JPEG", quality=95, subsampling="4:2:0")
    made = anonymize(data, replace(REQUEST, format="png"), parts)
    changed = _changed(_pixels(made), decode(data).pixels)
    padded = np.pad(changed, ((0, -changed.shape[0] % 16), (0, -changed.shape[1] % 16)))
    share = padded.reshape(padded.shape[0] // 16, 16, -1, 16).mean(axis=(1, 3))
    in_image = np.pad(np.ones_like(changed), ((0, -changed.shape[0] % 16), (0, -changed.shape[1] % 16)))
    whole = in_image.reshape(padded.shape[0] // 16, 16, -1, 16).mean(axis=(1, 3))
    # One pixel around the blocks changes too. A generated pixel may meet the old value by chance.
    taken = share > 0.3
    assert taken.any()
    assert (share[taken] > 0.9 * whole[taken]).all()


def test_sixteen_bits_are_exact_from_pixels_and_key_alone(parts: Parts, portrait: Pixels) -> None:
    # A face of at most 20 pixels stands at scale 1 on the grid of 32 cells.
    small = np.asarray(Image.fromarray(portrait).resize((35, 38), Image.Resampling.BOX))
    made = anonymize(encoded(small), replace(REQUEST, depth=16, seal="off"), parts)
    assert made.faces[0].scale == 1
    back = recover(made.data, ASK, parts)
    assert (back.fidelity, back.verified) == ("generative", "image")
    assert np.array_equal(_pixels(back), small)


def test_sixteen_bit_photo_stays_sixteen_bit(parts: Parts, portrait: Pixels) -> None:
    from service.imaging import Picture, encode

    deep = portrait.astype(np.uint16) * 257 + 3
    data = encode(Picture(deep, None, "png"), format="png", record=None, metadata="strip")
    made = anonymize(data, REQUEST, parts)
    assert _pixels(made).dtype == np.uint16
    back = recover(made.data, ASK, parts)
    assert back.verified == "image"
    assert np.array_equal(_pixels(back), deep)


def test_embedded_seal_needs_the_file_and_the_key_only(parts: Parts, portrait: Pixels) -> None:
    made = anonymize(encoded(portrait), replace(REQUEST, seal="embed"), parts)
    assert made.record is not None
    assert parts.records.delete(TENANT, made.record)
    assert recover(made.data, ASK, parts).verified == "image"


def test_deleting_the_row_erases_the_exact_copy_only(parts: Parts, portrait: Pixels) -> None:
    made = anonymize(encoded(portrait), REQUEST, parts)
    assert made.record is not None
    assert parts.records.delete(TENANT, made.record)
    assert recover(made.data, ASK, parts).fidelity == "generative"


def test_generative_is_close_and_another_run_gives_another_stranger(parts: Parts, portrait: Pixels) -> None:
    first, second = (anonymize(encoded(portrait), REQUEST, parts) for _ in range(2))
    changed = _changed(_pixels(first), portrait)
    back = recover(first.data, replace(ASK, fidelity="generative"), parts)

    def error(a: Pixels, b: Pixels) -> float:
        return float(np.abs(a[changed].astype(float) - b[changed]).mean())

    assert error(_pixels(back), portrait) < 15
    assert error(_pixels(first), _pixels(second)) > 25


def test_confidence_sinks_with_what_recompression_changed(parts: Parts, portrait: Pixels) -> None:
    made = anonymize(encoded(portrait), replace(REQUEST, seal="off"), parts)
    ask = replace(ASK, record=made.record)
    files = [made.data] + [encoded(_pixels(made), "JPEG", quality=quality) for quality in (98, 80, 30)]
    untouched, *copies = (recover(file, ask, parts).confidence or 0 for file in files)
    assert untouched > 0.9 > copies[1]
    assert [untouched, *copies] == sorted([untouched, *copies], reverse=True)
    assert copies[-1] < 0.5


def test_stripped_metadata_is_found_by_pixels_or_by_id(parts: Parts, portrait: Pixels) -> None:
    made = anonymize(encoded(portrait), REQUEST, parts)
    stripped = encoded(_pixels(made))
    assert recover(stripped, ASK, parts).verified == "image"
    recompressed = encoded(_pixels(made), "JPEG", quality=70)
    with pytest.raises(RecordUnknown):
        recover(recompressed, ASK, parts)
    back = recover(recompressed, replace(ASK, record=made.record), parts)
    assert (back.fidelity, back.verified) == ("exact", "faces")


def test_two_faces_and_alpha(parts: Parts, two_faces: Pixels) -> None:
    alpha = np.linspace(0, 255, two_faces.shape[1], dtype=np.uint8)[None].repeat(two_faces.shape[0], axis=0)
    made = anonymize(encoded(np.dstack([two_faces, alpha])), REQUEST, parts)
    assert len(made.faces) == 2
    shown = decode(made.data)
    assert shown.alpha is not None
    owned = owner_map(made.faces, two_faces.shape[:2], None) != NO_FACE
    assert np.array_equal(shown.alpha[~owned], alpha[~owned]) and (shown.alpha[owned] == 255).all()
    back = recover(made.data, ASK, parts)
    assert back.verified == "image"
    assert np.array_equal(decode(back.data).pixels, two_faces)
    one = decode(recover(made.data, replace(ASK, faces=(1,)), parts).data)
    first = owner_map(made.faces, two_faces.shape[:2], None) == 0
    assert one.alpha is not None
    assert np.array_equal(one.alpha, np.where(first, 255, alpha))


@pytest.mark.parametrize("background", [0, 255])
def test_a_face_that_transparency_draws_is_replaced_too(background: int, parts: Parts, portrait: Pixels) -> None:
    light = portrait.mean(axis=2).astype(np.uint8)
    drawn = light if background == 0 else 255 - light
    plain = np.full_like(portrait, 255 - background)
    pixels = np.concatenate([portrait, plain], axis=1)
    alpha = np.concatenate([np.full_like(drawn, 255), drawn], axis=1)
    original = encoded(np.dstack([pixels, alpha]))
    assert len(detect(original, parts)) == 2
    made = anonymize(original, REQUEST, parts)
    (second,) = [i for i, face in enumerate(made.faces) if face.box[0] > portrait.shape[1] - 20]
    hidden = owner_map(made.faces, pixels.shape[:2], None) == second
    shown = decode(made.data)
    assert shown.alpha is not None
    assert hidden.sum() > 2000 and (shown.alpha[hidden] == 255).all()
    assert recover(made.data, ASK, parts).verified == "image"


def test_face_at_the_border(parts: Parts, portrait: Pixels) -> None:
    cut = np.ascontiguousarray(portrait[50:, :110])
    made = anonymize(encoded(cut), replace(REQUEST, coverage="head"), parts)
    back = recover(made.data, ASK, parts)
    assert back.verified == "image"
    assert np.array_equal(_pixels(back), cut)


def test_image_without_faces(parts: Parts) -> None:
    data = encoded(np.full((80, 80, 3), 90, np.uint8))
    with pytest.raises(NoFaces):
        anonymize(data, REQUEST, parts)
    passed = anonymize(data, replace(REQUEST, no_faces="pass"), parts)
    assert passed.record is None
    assert np.array_equal(_pixels(passed), decode(data).pixels)


def test_anonymizing_twice_must_be_asked_for(parts: Parts, portrait: Pixels) -> None:
    made = anonymize(encoded(portrait), REQUEST, parts)
    stripped = encoded(_pixels(made))
    for again in (made.data, stripped):
        with pytest.raises(AlreadyAnonymized):
            anonymize(again, REQUEST, parts)
    # The small network draws no face: what is found again depends on what is left of the first.
    assert anonymize(made.data, replace(REQUEST, again=True, no_faces="pass"), parts).data


def test_unknown_record(parts: Parts, portrait: Pixels) -> None:
    with pytest.raises(RecordUnknown):
        recover(encoded(portrait), ASK, parts)
    with pytest.raises(RecordUnknown):
        recover(encoded(portrait), replace(ASK, record=uuid4()), parts)


def test_original_face_is_nowhere_in_the_output(parts: Parts, portrait: Pixels) -> None:
    """Not as a thumbnail either, which cameras put into EXIF."""
    photo, thumbnail = Image.fromarray(portrait), io.BytesIO()
    photo.resize((64, 70)).save(thumbnail, "JPEG")
    exif = Image.Exif()
    exif[0x010E] = "a description"
    out = io.BytesIO()
    photo.save(out, "JPEG", exif=exif.tobytes() + thumbnail.getvalue(), comment=thumbnail.getvalue()[:4000])
    made = anonymize(out.getvalue() + thumbnail.getvalue(), replace(REQUEST, metadata="keep-safe"), parts)
    assert thumbnail.getvalue()[100:200] in out.getvalue()
    assert thumbnail.getvalue()[100:200] not in made.data


def test_caller_chooses_who_is_replaced(parts: Parts, two_faces: Pixels) -> None:
    data, middle = encoded(two_faces), two_faces.shape[1] // 2
    left_half, right_half = (0, 0, middle, 220), (middle, 0, 2 * middle, 220)
    for choice in ({"keep": (right_half,)}, {"only": (left_half,)}):
        changed = _changed(_pixels(anonymize(data, replace(REQUEST, **choice), parts)), two_faces)
        assert changed[:, :middle].any()
        assert not changed[:, middle:].any()
    with pytest.raises(SelectionInvalid):
        anonymize(data, replace(REQUEST, only=((0, 0, 20, 20),)), parts)
    with pytest.raises(NoFaces):
        anonymize(data, replace(REQUEST, keep=(left_half, right_half)), parts)


def test_box_that_the_detector_missed_is_hidden(parts: Parts) -> None:
    photo = np.full((120, 120, 3), 90, np.uint8)
    made = anonymize(encoded(photo), replace(REQUEST, extra=((40, 30, 80, 90),)), parts)
    assert _changed(_pixels(made), photo)[40:80, 50:70].mean() > 0.9
    assert recover(made.data, ASK, parts).verified == "image"
    for box in ((40, 30, 41, 90), (-5, 0, 50, 50), (0, 0, 500, 50), (float("nan"), 0, 50, 50), (9, 9, 17, 74)):
        with pytest.raises(SelectionInvalid):
            anonymize(encoded(photo), replace(REQUEST, extra=(box,)), parts)


def test_face_that_the_border_cuts_is_chosen_by_the_box_that_was_shown(parts: Parts, portrait: Pixels) -> None:
    (whole,) = detect(encoded(portrait), parts)
    data = encoded(np.ascontiguousarray(portrait[:, round(whole.box[0]) + 25 :]))
    (cut,) = detect(data, parts)
    assert min(cut.box) >= 0
    assert len(anonymize(data, replace(REQUEST, only=(cut.box,)), parts).faces) == 1
    with pytest.raises(NoFaces):
        anonymize(data, replace(REQUEST, keep=(cut.box,)), parts)


@pytest.mark.parametrize("fidelity", ["best", "generative"])
def test_only_the_chosen_faces_come_back(fidelity: str, parts: Parts, two_faces: Pixels) -> None:
    made = anonymize(encoded(two_faces), REQUEST, parts)
    shown = _pixels(made)
    back = recover(made.data, replace(ASK, faces=(1,), fidelity=fidelity), parts)
    assert (back.faces, back.verified == "image") == (1, False)
    changed = _changed(_pixels(back), shown)
    at = [np.s_[top:bottom, left:right] for left, top, right, bottom in (face.box for face in made.faces)]
    assert not changed[at[0]].any()
    assert changed[at[1]].mean() > 0.8
    for wrong in ((), (2,), (-1,)):
        with pytest.raises(SelectionInvalid):
            recover(made.data, replace(ASK, faces=wrong), parts)
