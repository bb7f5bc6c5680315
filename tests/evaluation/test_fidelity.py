"""What is said of recoveries is true of the files."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from service.evaluation.batch import measure_batch
from service.evaluation.fidelity import face_psnrs, measure_exact, measure_generative
from service.evaluation.figures import EQUAL_DB
from service.evaluation.photos import Photo
from service.evaluation.portraits import Portrait, make_portrait
from service.evaluation.schemes import CODECS, measure_schemes
from service.evaluation.strangers import measure_strangers
from service.evaluation.studio import Studio, outside_equal
from tests.evaluation.conftest import jpeg
from tests.small_bundle import RESOLUTION

Pictures = dict[str, NDArray[np.uint8]]


def test_portraits_have_their_largest_face_at_one_pixel_per_cell(portraits: list[Portrait]) -> None:
    assert len(portraits) == 3
    for portrait in portraits:
        left, top, right, bottom = portrait.faces[portrait.main].box
        assert portrait.faces[portrait.main].scale == 1
        assert 0.55 * RESOLUTION < max(right - left, bottom - top) <= 0.8 * RESOLUTION


def test_no_portrait_without_a_face(studio: Studio) -> None:
    grey = np.full((90, 90, 3), 128, np.uint8)
    assert make_portrait("grey", grey, studio.parts.detector, RESOLUTION) is None


def test_exact_recovery_is_counted_per_photo(pictures: Pictures, studio: Studio) -> None:
    photos = [Photo(name, jpeg(pixels)) for name, pixels in pictures.items()]
    photos.append(Photo("Nobody", jpeg(np.full((90, 90, 3), 128, np.uint8))))
    figures, shown = measure_exact(photos, studio)
    assert (figures.image.hits, figures.image.of) == (3, 3)
    assert {format: (r.hits, r.of) for format, r in figures.faces.items()} == {"jpeg": (2, 2), "webp": (1, 1)}
    assert (figures.outside.hits, figures.outside.of) == (3, 3)
    assert figures.detected.of == 3
    assert figures.without_faces == ["Nobody"]
    assert [one.name for one in shown] == list(pictures)
    assert not np.array_equal(shown[0].made.picture.pixels, shown[0].original.pixels)


def test_generative_recovery_strangers_and_wrong_keys(portraits: list[Portrait], studio: Studio) -> None:
    figures, returned = measure_generative(portraits, studio)
    assert figures.png8.count == figures.png16.count == figures.png16_exact.of == 3
    assert figures.png8.worst is not None and figures.png8.worst > 30
    assert figures.png16.worst is not None and figures.png16.worst > figures.png8.worst
    assert figures.outside.hits == 3
    assert {line.split()[0] for line in figures.worst} == {portrait.name for portrait in portraits}

    strangers = measure_strangers(returned, studio, seed=0)
    assert strangers.wrong_key.count == strangers.strangers.count == 3
    assert strangers.wrong_key.median is not None and strangers.wrong_key.median < 20
    assert strangers.interval is not None and strangers.difference is not None
    assert strangers.interval[0] <= strangers.difference <= strangers.interval[1]


def test_psnr_is_taken_inside_the_mask_only(portraits: list[Portrait], studio: Studio) -> None:
    file = studio.write_png(portraits[0].pixels)
    original = studio.read(file)
    made = studio.anonymize(file.read_bytes(), original, format="png")
    inside, outside = original.pixels.copy(), original.pixels.copy()
    inside[made.owner >= 0] ^= 1
    outside[made.owner < 0] ^= 1
    assert face_psnrs(made, replace(original, pixels=outside), original) == [EQUAL_DB]
    assert face_psnrs(made, replace(original, pixels=inside), original) == [pytest.approx(48.13, abs=0.01)]


def test_a_changed_pixel_outside_the_mask_is_noticed(portraits: list[Portrait], studio: Studio) -> None:
    file = studio.write_png(portraits[0].pixels)
    original = studio.read(file)
    made = studio.anonymize(file.read_bytes(), original, format="png")
    assert outside_equal(made, original)
    spoiled = original.pixels.copy()
    spoiled[0, 0, 0] ^= 1
    assert not outside_equal(made, replace(original, pixels=spoiled))


def test_recompression_is_measured_for_every_codec_and_scheme(portraits: list[Portrait], studio: Studio) -> None:
    figures = measure_schemes(portraits[:1], studio)
    assert figures.photos == 1
    assert list(figures.spreads) == [codec.name for codec in CODECS]
    medians = {name: schemes["band-rotation"].median or 0.0 for name, schemes in figures.spreads.items()}
    assert 10 < medians["JPEG 75"] < medians["JPEG 95"] < 60
    assert {spread.count for schemes in figures.spreads.values() for spread in schemes.values()} == {1}


def test_the_batch_makes_no_difference(portraits: list[Portrait], studio: Studio) -> None:
    figures = measure_batch(portraits, studio)
    assert figures.faces == figures.alone.count == 3
    assert figures.alone.worst is not None and figures.alone.worst > 30
    assert figures.largest_difference < 0.1
