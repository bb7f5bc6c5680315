"""What an anonymized face is still good for: it is found, where it was, looking where it looked."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from service.evaluation.figures import Array, Distribution, Figures
from service.evaluation.verification import BoundedRate
from service.faces.again import iou
from service.faces.detection import Detection
from service.faces.layout import PlacedFace
from service.faces.masks import block_bitmap, face_ellipse
from service.faces.search import SAME


class Likeness(Figures):
    """One face before and after; None where nothing was found.

    Attributes:
        before: confidence of the detector in the original.
        confidence: in the anonymized face, 0 when nothing was found.
        box: IoU of the boxes.
        landmarks: mean distance of the five landmarks, in distances between the eyes before.
        yaw: change of the nose's place between the eyes, in distances between the eyes: a proxy.
        roll: change of the eye line, degrees.
        mask: IoU of the mask with one estimated from the anonymized face, in blocks.
    """

    before: float
    confidence: float
    box: float | None = None
    landmarks: float | None = None
    yaw: float | None = None
    roll: float | None = None
    mask: float | None = None


class UtilityFigures(Figures):
    """Over faces; distributions over those that were found.

    Attributes:
        detected: faces found again.
        before, confidence: of the detector in the originals and the anonymized faces, all of them.
        box, landmarks, yaw, roll, mask: see ``Likeness``.
    """

    detected: BoundedRate
    before: Distribution
    confidence: Distribution
    box: Distribution
    landmarks: Distribution
    yaw: Distribution
    roll: Distribution
    mask: Distribution

    @classmethod
    def over(cls, faces: Sequence[Likeness]) -> "UtilityFigures":
        """Summarize faces."""
        names = ("box", "landmarks", "yaw", "roll", "mask")
        found = {n: Distribution.over(v for v in (getattr(f, n) for f in faces) if v is not None) for n in names}
        return cls(
            detected=BoundedRate.counted(face.box is not None for face in faces),
            before=Distribution.over(face.before for face in faces),
            confidence=Distribution.over(face.confidence for face in faces),
            **found,
        )


def same_face(face: PlacedFace, found: Sequence[Detection]) -> Detection | None:
    """The detection that lies over a face, if any does."""
    best = max(found, key=lambda other: iou(face.box, other.box), default=None)
    return best if best is not None and iou(face.box, best.box) > SAME else None


def likeness(before: PlacedFace, after: Detection | None) -> Likeness:
    """Compare a face with the one found over it."""
    if after is None:
        return Likeness(before=before.confidence, confidence=0.0)
    old, new = before.landmarks.astype(np.float64), after.landmarks
    between = max(float(np.linalg.norm(old[1] - old[0])), 1.0)
    turn = math.degrees(_roll(new) - _roll(old))
    return Likeness(
        before=before.confidence,
        confidence=after.confidence,
        box=iou(before.box, after.box),
        landmarks=float(np.linalg.norm(new - old, axis=1).mean()) / between,
        yaw=abs(_yaw(new) - _yaw(old)),
        roll=abs((turn + 180) % 360 - 180),
        mask=_overlap(before.bitmap, mask_in_crop(before, after)),
    )


def mask_in_crop(crop: PlacedFace, face: Detection) -> NDArray[np.bool_]:
    """The mask of a detection on the block grid of another face's crop, (R / 4, R / 4) bool."""
    ellipse = face_ellipse(face.box, face.landmarks, "face")
    return block_bitmap(ellipse.moved(*crop.origin), crop.lattice)


def _overlap(one: NDArray[np.bool_], other: NDArray[np.bool_]) -> float:
    union = int((one | other).sum())
    return int((one & other).sum()) / union if union else 0.0


def _roll(landmarks: Array) -> float:
    across = landmarks[1] - landmarks[0]
    return math.atan2(float(across[1]), float(across[0]))


def _yaw(landmarks: Array) -> float:
    across = landmarks[1] - landmarks[0]
    return float((landmarks[2] - landmarks[:2].mean(axis=0)) @ across) / max(float(across @ across), 1.0)
