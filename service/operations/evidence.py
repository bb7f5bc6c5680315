"""Does this record belong to this image? Asked before any face is put onto a scene."""

from collections.abc import Sequence
from enum import Enum

import numpy as np
from numpy.typing import NDArray

from service.core.scheme import levels_to_model, model_to_levels
from service.core.solver import Progress
from service.engine import EngineRoom, FaceTask
from service.errors import RecordMismatch
from service.faces.crops import FaceView, thumbnail
from service.imaging import Picture, pixels_digest
from service.operations.custody import plan_of
from service.operations.picture import with_depth
from service.operations.restore import Scene
from service.records.record import Record

_THUMBNAIL_TOLERANCE = 6.0
"""Largest difference of two thumbnails, in 8-bit levels. On ten photos: JPEG 30 and halving the size moved
it by 3 at most, a sticker of 16 pixels mostly by 7 or more, another stranger in the same scene by 48."""
_AGREEMENT_DB = 25.0
"""PSNR of re-made against shown faces. On the same photos: 29 or more after JPEG 50 or halving the size,
20 or less for another stranger in the same scene."""


class Binding(Enum):
    """How sure it is that the image is the recorded one."""

    IDENTICAL = "identical"
    """Bit by bit."""
    SIMILAR = "similar"
    """It looks like it, as after recompression."""


def bind(shown: Picture, record: Record) -> Binding:
    """Compare an image with a record that has been authenticated.

    Raises:
        RecordMismatch: the record belongs to another image, or this one was cropped, scaled or edited.
    """
    if pixels_digest(shown) == record.pixels_digest:
        return Binding.IDENTICAL
    if shown.pixels.shape[:2] != (record.height, record.width):
        raise RecordMismatch("the image has not the size it was made with")
    scene = Scene.of(record, shown)
    for placed, face in zip(scene.faces, record.faces, strict=True):
        if _distance(thumbnail(shown.pixels, placed), face.thumbnail) > _THUMBNAIL_TOLERANCE:
            raise RecordMismatch("the record belongs to another image, or this one was changed too much")
    return Binding.SIMILAR


def drawn_from(
    original: Picture,
    shown: Picture,
    scene: Scene,
    record: Record,
    wanted: Sequence[int],
    latents: Sequence[bytes],
    engine: EngineRoom,
    progress: Progress | None,
) -> bool:
    """Whether anonymizing the wanted faces of ``original`` again gives those that ``shown`` has.

    Raises:
        BundleUnknown: the weights the image was made with are not installed.
    """
    original = with_depth(original, record.depth)
    before, after = [scene.view(original, i) for i in wanted], [scene.view(shown, i) for i in wanted]
    tasks = [
        FaceTask(levels_to_model(was.inside.values, was.top), now.context(), latents[i])
        for i, was, now in zip(wanted, before, after, strict=True)
    ]
    made = engine.anonymize(record.bundle_digest, plan_of(record), tasks, progress)
    return all(
        _psnr(np.clip(model_to_levels(x, view.top), 0, view.top), view) >= _AGREEMENT_DB
        for (x, _), view in zip(made, after, strict=True)
    )


def _psnr(levels: NDArray[np.float64], view: FaceView) -> float:
    owned = view.inside.counts > 0
    error = ((levels - view.inside.values)[owned] / view.top) ** 2
    return float(-10 * np.log10(max(error.mean(), 1e-12)))


def _distance(one: bytes, other: bytes) -> float:
    """Largest difference of two thumbnails in 8-bit levels."""
    a, b = (np.frombuffer(data, np.uint8).astype(np.float64) for data in (one, other))
    return float(np.abs(a - b).max())
