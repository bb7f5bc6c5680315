"""Recovery through files: exact from the sealed pixels, generative from pixels and key alone."""

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from service.errors import NoFaces
from service.evaluation.detect import found_again
from service.evaluation.figures import Figures, Rate, Spread, psnr
from service.evaluation.photos import Photo
from service.evaluation.portraits import Portrait
from service.evaluation.studio import Made, Studio, outside_equal
from service.faces.layout import NO_FACE
from service.imaging import OutputFormat, Picture

_WORST = 5


class ExactFigures(Figures):
    """Exact recovery of photos at their own resolution.

    Attributes:
        image: photos that came back bit by bit, and verified so, from PNG.
        faces: the same for the face pixels alone, by lossy format.
        outside: PNG outputs equal to the photo outside the mask.
        detected: anonymized faces that the detector finds again.
        without_faces: names of photos in which no face was found.
    """

    image: Rate
    faces: dict[str, Rate]
    outside: Rate
    detected: Rate
    without_faces: list[str]


@dataclass(frozen=True, slots=True)
class Shown:
    """A photo and its anonymized version, for a sheet."""

    name: str
    original: Picture = field(repr=False)
    made: Made = field(repr=False)


def measure_exact(photos: Iterable[Photo], studio: Studio) -> tuple[ExactFigures, list[Shown]]:
    """Anonymize each photo to PNG, and to JPEG and WebP by turns, and recover at best fidelity."""
    images, outside, detected, without = [], [], [], []
    lossy: dict[OutputFormat, list[bool]] = {"jpeg": [], "webp": []}
    shown: list[Shown] = []
    for photo in photos:
        original = studio.read(studio.write(photo.data, "photo"))
        try:
            made = studio.anonymize(photo.data, original, format="png")
        except NoFaces:
            without.append(photo.name)
            continue
        answer, back = studio.recover(made, "best")
        images.append(answer.verified == "image" and np.array_equal(back.pixels, original.pixels))
        outside.append(outside_equal(made, original))
        detected += found_again(made, studio.parts.detector)
        turn: OutputFormat = "jpeg" if len(shown) % 2 == 0 else "webp"
        lossy[turn].append(_faces_exact(photo, original, studio, turn))
        shown.append(Shown(photo.name, original, made))
    figures = ExactFigures(
        image=Rate.counted(images),
        faces={format: Rate.counted(outcomes) for format, outcomes in lossy.items()},
        outside=Rate.counted(outside),
        detected=Rate.counted(detected),
        without_faces=without,
    )
    return figures, shown


def _faces_exact(photo: Photo, original: Picture, studio: Studio, format: OutputFormat) -> bool:
    made = studio.anonymize(photo.data, original, format=format)
    answer, back = studio.recover(made, "best")
    hidden = made.owner != NO_FACE
    return answer.verified != "none" and bool(np.array_equal(back.pixels[hidden], original.pixels[hidden]))


class GenerativeFigures(Figures):
    """Generative recovery of faces at k = 1.

    Attributes:
        png8: PSNR inside the mask from 8-bit PNG, dB.
        png16: the same from 16-bit PNG, rounded to the 8 bits of the photo.
        png16_exact: faces of which every pixel is exact from 16-bit PNG.
        outside: outputs equal to the photo outside the mask.
        worst: names of the photos with the lowest PSNR from 8-bit PNG, lowest first.
    """

    png8: Spread
    png16: Spread
    png16_exact: Rate
    outside: Rate
    worst: list[str]


@dataclass(frozen=True, slots=True)
class Returned:
    """A portrait, its anonymized file of 8 bits, and what pixels and key gave back."""

    portrait: Portrait
    file: bytes = field(repr=False)
    original: Picture = field(repr=False)
    made: Made = field(repr=False)
    recovered: Picture = field(repr=False)


def measure_generative(portraits: Iterable[Portrait], studio: Studio) -> tuple[GenerativeFigures, list[Returned]]:
    """Anonymize each portrait to PNG of both depths, and recover from pixels and key."""
    eight: list[tuple[float, str]] = []
    sixteen: list[float] = []
    exact, outside, returned = [], [], []
    for portrait in portraits:
        file = studio.write_png(portrait.pixels)
        data, original = file.read_bytes(), studio.read(file)
        made = studio.anonymize(data, original, format="png")
        _, back = studio.recover(made, "generative")
        eight += [(value, portrait.name) for value in face_psnrs(made, back, original)]
        outside.append(outside_equal(made, original))
        returned.append(Returned(portrait, data, original, made, back))
        deep = studio.anonymize(data, original, format="png", depth=16)
        _, back = studio.recover(deep, "generative")
        sixteen += face_psnrs(deep, back, original)
        exact += [bool(np.array_equal(back.pixels[m], original.pixels[m])) for m in _masks(deep)]
    figures = GenerativeFigures(
        png8=Spread.over(value for value, _ in eight),
        png16=Spread.over(sixteen),
        png16_exact=Rate.counted(exact),
        outside=Rate.counted(outside),
        worst=[f"{name} ({value:.1f} dB)" for value, name in sorted(eight)[:_WORST]],
    )
    return figures, returned


def face_psnrs(made: Made, one: Picture, other: Picture) -> list[float]:
    """PSNR inside the mask of each face at k = 1."""
    return [psnr(one.pixels[mask], other.pixels[mask]) for mask in _masks(made)]


def _masks(made: Made) -> list[np.ndarray]:
    return [made.owner == i for i, face in enumerate(made.faces) if face.side == face.resolution]
