"""A person's photo at the scale of the model, with the one face that the label names."""

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from service.evaluation.figures import Figures
from service.evaluation.photos import Photo
from service.evaluation.portraits import Pixels, Portrait, make_portrait
from service.evaluation.recognizers import Embedding, Recognizer
from service.evaluation.scenes import KnownFace
from service.evaluation.studio import Made, Studio
from service.evaluation.utility import Likeness, likeness, same_face
from service.faces.layout import PlacedFace
from service.faces.search import find_faces
from service.imaging import decode
from service.operations.parts import Parts
from service.operations.picture import as_bytes

_GREY = 127


@dataclass(frozen=True, slots=True)
class Sitter:
    """One face at k = 1; the other faces of the photo stay as they are.

    Attributes:
        portrait: with one face.
    """

    portrait: Portrait

    @property
    def face(self) -> PlacedFace:
        """The face."""
        return self.portrait.faces[0]

    @property
    def pixels(self) -> Pixels:
        """(H, W, 3) uint8."""
        return self.portrait.pixels

    def told(self, studio: Studio) -> Studio:
        """A studio whose detector finds this face and no other."""
        return replace(studio, parts=replace(studio.parts, detector=KnownFace(self.face)))

    def made(self, studio: Studio, **choices: Any) -> Made:
        """Anonymize this face and no other, from a PNG file of the picture.

        Args:
            choices: of ``AnonymizeRequest``.
        """
        told = self.told(studio)
        file = told.write_png(self.pixels)
        return told.anonymize(file.read_bytes(), told.read(file), **choices)

    def blanked(self, pixels: Pixels) -> Pixels:
        """Nothing but the face: all pixels outside its mask grey."""
        return np.where(self.portrait.owner[..., None] == 0, pixels, np.uint8(_GREY))


def portrait_of(photo: Photo, parts: Parts) -> Portrait | None:
    """A photo shrunk until its largest face has k = 1; None when no face is found then."""
    pixels = np.ascontiguousarray(as_bytes(decode(photo.data, parts.limits).pixels))
    resolution = parts.bundles.default.manifest.numerics.resolution
    return make_portrait(photo.name, pixels, parts.detector, resolution)


def seat(photo: Photo, parts: Parts) -> Sitter | None:
    """Shrink a photo until its faces have k = 1, and take the one nearest to the middle; None without a face."""
    portrait = portrait_of(photo, parts)
    if portrait is None or not portrait.faces:
        return None
    height, width = portrait.pixels.shape[:2]

    def distance(face: PlacedFace) -> float:
        left, top, right, bottom = face.box
        return math.hypot(left + right - width, top + bottom - height)

    return Sitter(Portrait(portrait.name, portrait.pixels, (min(portrait.faces, key=distance),)))


class Looked(Figures):
    """What detector and recognizer see in one version of a sitter's picture.

    Attributes:
        whole: embedding of the face in its surroundings.
        blank: embedding with the surroundings blanked.
        likeness: of the face to the original one, to the detector.
    """

    whole: list[float]
    blank: list[float]
    likeness: Likeness


def look(sitter: Sitter, pixels: Pixels, parts: Parts, recognizer: Recognizer) -> Looked:
    """Detect and embed the face in a version of the sitter's picture.

    Where the detector finds no face any more, the original's landmarks are used: a face that only the detector
    misses is not a protected one.
    """
    found = same_face(sitter.face, find_faces(pixels, parts.detector))
    landmarks = sitter.face.landmarks.astype(np.float64) if found is None else found.landmarks
    whole, blank = (_kept(recognizer(version, landmarks)) for version in (pixels, sitter.blanked(pixels)))
    return Looked(whole=whole, blank=blank, likeness=likeness(sitter.face, found))


def _kept(embedding: Embedding) -> list[float]:
    """To five decimals: distances move by less than a thousandth of a threshold."""
    return [round(float(value), 5) for value in embedding]
