"""The people of an evaluation: one face of each photo, anonymized through files."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from service.core.resample import quantized
from service.engine import MAX_BATCH
from service.errors import NoFaces
from service.evaluation.photos import Photo
from service.evaluation.portraits import Pixels
from service.evaluation.studio import Studio
from service.evaluation.utility import same_face
from service.faces.again import iou
from service.faces.crops import FaceView, paste_face, view_face
from service.faces.detection import Detection, Detector
from service.faces.layout import PlacedFace
from service.faces.search import find_faces
from service.operations.picture import as_bytes


@dataclass(frozen=True, slots=True)
class Subject:
    """A photo whose main face was replaced.

    Attributes:
        name: of the photo.
        face: as it was placed.
        view: of the original face.
        original: (H, W, 3) uint8.
        coarse: the original as the model's grid holds it, detail below a cell smoothed away.
        shown: the anonymized photo, read back from its file.
        found: the face that the detector finds where the old one was.
    """

    name: str
    face: PlacedFace
    view: FaceView = field(repr=False)
    original: Pixels = field(repr=False)
    coarse: Pixels = field(repr=False)
    shown: Pixels = field(repr=False)
    found: Detection | None = field(repr=False)

    @property
    def landmarks(self) -> NDArray[np.float64]:
        """(5, 2) of the original face."""
        return self.face.landmarks.astype(np.float64)

    @property
    def shown_landmarks(self) -> NDArray[np.float64]:
        """(5, 2) of the anonymized face, the old ones where none is found."""
        return self.landmarks if self.found is None else self.found.landmarks


def main_face(rgb: NDArray[np.uint8], detector: Detector) -> Detection | None:
    """The face nearest to the middle of the picture: in Labeled Faces in the Wild the one the label names."""
    middle = np.array([rgb.shape[1], rgb.shape[0]]) / 2

    def distance(face: Detection) -> float:
        return float(np.linalg.norm(np.add(face.box[:2], face.box[2:]) / 2 - middle))

    return min(find_faces(rgb, detector), key=distance, default=None)


def make_subjects(photos: Sequence[Photo], studio: Studio) -> Iterator[Subject]:
    """Anonymize the main face of each photo as PNG; photos without a face are left out.

    Several at a time, so that the engine has batches to fill.
    """
    with ThreadPoolExecutor(MAX_BATCH) as pool:
        for subject in pool.map(lambda photo: _subject(photo, studio), photos):
            if subject is not None:
                yield subject


def _subject(photo: Photo, studio: Studio) -> Subject | None:
    picture = studio.read(studio.write(photo.data, "photo"))
    original = as_bytes(picture.pixels)
    main = main_face(original, studio.parts.detector)
    if main is None:
        return None
    try:
        made = studio.anonymize(photo.data, picture, format="png", depth=8, only=(_inside(main, original),))
    except NoFaces:
        return None
    index = max(range(len(made.faces)), key=lambda i: iou(made.faces[i].box, main.box))
    face, shown = made.faces[index], as_bytes(made.picture.pixels)
    view = view_face(original, made.owner, index, face)
    found = same_face(face, find_faces(shown, studio.parts.detector))
    return Subject(photo.name, face, view, original, _coarse(original, view), shown, found)


def _inside(face: Detection, rgb: Pixels) -> tuple[float, float, float, float]:
    left, top, right, bottom = face.box
    return max(left, 0.0), max(top, 0.0), min(right, float(rgb.shape[1])), min(bottom, float(rgb.shape[0]))


def _coarse(original: Pixels, view: FaceView) -> Pixels:
    pixels = original.copy()
    paste_face(pixels, view, quantized(view.inside.values, view.inside.counts, view.top))
    return pixels
