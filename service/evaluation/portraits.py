"""Photos at the scale of the model, and their faces driven through the engine without the operations.

At k = 1 a cell is a pixel. Where an evaluation must choose the plan, the key or the codec itself, it
starts from these.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from service.core import overflow
from service.core.resample import quantized
from service.core.scheme import levels_to_model, model_to_levels
from service.engine import FaceTask
from service.faces.crops import FaceView, paste_face, view_face
from service.faces.detection import Detector
from service.faces.layout import PlacedFace, owner_map, place
from service.faces.search import find_faces

Pixels = NDArray[np.uint8]
Array = NDArray[np.float64]

_SHRINKS = 8
_STEP = 0.95


@dataclass(frozen=True, slots=True)
class Portrait:
    """A photo shrunk until its largest face has k = 1.

    Attributes:
        name: of the photo.
        pixels: (H, W, 3) uint8.
        faces: as they are placed; all at k = 1.
    """

    name: str
    pixels: Pixels = field(repr=False)
    faces: tuple[PlacedFace, ...]

    @property
    def owner(self) -> NDArray[np.int16]:
        """(H, W), which face owns which pixel."""
        return owner_map(self.faces, self._size, None)

    @property
    def main(self) -> int:
        """Index of the largest face."""
        return max(range(len(self.faces)), key=lambda i: int((self.owner == i).sum()))

    @property
    def _size(self) -> tuple[int, int]:
        return self.pixels.shape[0], self.pixels.shape[1]

    def views(self, pixels: Pixels | None = None) -> list[FaceView]:
        """Every face, in these pixels or in others of the same size."""
        shown = self.pixels if pixels is None else pixels
        return [view_face(shown, self.owner, i, face) for i, face in enumerate(self.faces)]

    def drawn(self, strangers: Sequence[Tensor]) -> tuple[Pixels, list[Array]]:
        """The photo with strangers in it, and by how much each leaves the range of pixels.

        Args:
            strangers: (3, R, R) in about [-1, 1], one per face.

        Returns:
            (H, W, 3) uint8, and (R, R, 3) levels as a record keeps them, one per face.
        """
        pixels, beyond = self.pixels.copy(), []
        for view, x in zip(self.views(), strangers, strict=True):
            levels, counts = model_to_levels(x, view.top), view.inside.counts
            paste_face(pixels, view, quantized(levels, counts, view.top))
            packed = overflow.pack(overflow.excess(levels, counts, view.top), view.top)
            beyond.append(overflow.unpack(packed, view.face.resolution, view.top))
        return pixels, beyond


def task(view: FaceView, key: bytes, norms: Any = (0.0, 0.0, 0.0, 0.0), beyond: Array | float = 0.0) -> FaceTask:
    """One face for the engine; ``beyond`` is added to what the pixels hold."""
    return FaceTask(levels_to_model(view.inside.values + beyond, view.top), view.context(), key, norms)


def make_portrait(name: str, pixels: Pixels, detector: Detector, resolution: int) -> Portrait | None:
    """Shrink a photo by area means until its largest face has k = 1; None when no face is found then."""
    original, factor = pixels, 1.0
    found = find_faces(pixels, detector)
    for _ in range(_SHRINKS):
        if not found:
            return None
        size = (pixels.shape[0], pixels.shape[1])
        faces = [place(face, "face", resolution, size, None) for face in found]
        largest = max(faces, key=lambda face: face.box[2] - face.box[0] + face.box[3] - face.box[1])
        if largest.side == resolution:
            return Portrait(name, pixels, tuple(_owning(faces, size)))
        factor *= _shrink_by(largest, resolution)
        pixels = _shrunk(original, factor)
        found = find_faces(pixels, detector)
    return None


def _shrink_by(face: PlacedFace, resolution: int) -> float:
    longer = max(face.box[2] - face.box[0], face.box[3] - face.box[1])
    return min(_STEP, 0.78 * resolution / longer)


def _shrunk(pixels: Pixels, factor: float) -> Pixels:
    size = (max(1, round(pixels.shape[1] * factor)), max(1, round(pixels.shape[0] * factor)))
    return np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), np.uint8)


def _owning(faces: Iterable[PlacedFace], size: tuple[int, int]) -> list[PlacedFace]:
    """The faces at k = 1 that others do not cover wholly."""
    small = [face for face in faces if face.side == face.resolution]
    owning = set(np.unique(owner_map(small, size, None)).tolist())
    return [face for i, face in enumerate(small) if i in owning]
