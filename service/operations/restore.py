"""The faces of a recorded image as the engine needs them, and their way back from pixels and key alone."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from service.core import overflow
from service.core.resample import quantized
from service.core.scheme import levels_to_model, model_to_levels
from service.core.solver import Progress
from service.engine import EngineRoom, FaceTask
from service.faces.crops import FaceView, paste_face, view_face
from service.faces.layout import PlacedFace, owner_map
from service.imaging import Picture
from service.operations.custody import plan_of
from service.records.record import FaceRecord, Record

_LOST = 0.1
"""How far a latent strays before its face may be somebody else's. On four photos with ``faces-64``: 0.001 to 0.002 from
8-bit PNG (recovered at 32 to 39 dB), 0.01 at JPEG 99 (31 to 34), 0.02 to 0.07 at JPEG 95 (23 to 30), 0.08 to 0.11 at
JPEG 90 (22 to 25), 0.25 and more below (14 to 24)."""


@dataclass(frozen=True, slots=True)
class Scene:
    """The recorded geometry laid over an image.

    Attributes:
        faces: as they were placed.
        owner: (H, W) int16, which face owns which pixel.
    """

    faces: tuple[PlacedFace, ...]
    owner: NDArray[np.int16]

    @classmethod
    def of(cls, record: Record, picture: Picture) -> "Scene":
        """The scene of a record; the picture has the record's size."""
        faces = tuple(_placed(face) for face in record.faces)
        size = (picture.pixels.shape[0], picture.pixels.shape[1])
        return cls(faces, owner_map(faces, size, record.coding_grid))

    def view(self, picture: Picture, index: int) -> FaceView:
        """Face ``index`` of ``picture``."""
        return view_face(picture.pixels, self.owner, index, self.faces[index])


def generative(
    shown: Picture,
    scene: Scene,
    record: Record,
    wanted: Sequence[int],
    latents: Sequence[bytes],
    engine: EngineRoom,
    progress: Progress | None,
) -> tuple[Picture, float]:
    """Invert the anonymization from the pixels as they are.

    Args:
        wanted: indices of the faces to bring back.
        latents: the latent keys of all faces.

    Returns:
        The picture, and the confidence in its least certain face: 1 for pixels as they were made, 0 where they changed
        so much that the face may be somebody else's. A key leaves every latent with known norms, and whatever happens
        to the pixels afterwards moves them.

    Raises:
        BundleUnknown: the weights the image was made with are not installed.
    """
    views = [scene.view(shown, i) for i in wanted]
    tasks = [
        FaceTask(
            levels_to_model(_unclipped(view, record.faces[i]), view.top),
            view.context(),
            latents[i],
            record.faces[i].norms,
        )
        for i, view in zip(wanted, views, strict=True)
    ]
    pixels = shown.pixels.copy()
    back = engine.recover(record.bundle_digest, plan_of(record), tasks, progress)
    for view, (x, _) in zip(views, back, strict=True):
        paste_face(pixels, view, quantized(model_to_levels(x, view.top), view.inside.counts, view.top))
    strayed = max((far for _, far in back), default=0.0)
    return replace(shown, pixels=pixels), max(0.0, 1 - strayed / _LOST)


def _unclipped(view: FaceView, face: FaceRecord) -> NDArray[np.float64]:
    return view.inside.values + overflow.unpack(face.overflow, view.face.resolution, view.top)


def _placed(face: FaceRecord) -> PlacedFace:
    return PlacedFace(face.box, face.confidence, face.landmarks, face.side, face.origin, face.bitmap)
