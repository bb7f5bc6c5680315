"""A large photo with many faces, through the command line in a process of its own."""

import io
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from service.evaluation.fidelity import Shown
from service.evaluation.figures import Figures, Rate
from service.evaluation.portraits import Pixels
from service.evaluation.studio import Studio
from service.faces.again import shows
from service.faces.layout import PlacedFace
from service.faces.search import find_faces
from service.imaging import decode

Box = tuple[float, float, float, float]

SIZE = (6000, 4000)
FACES = 20
_SMALLEST, _LARGEST = 40, 900
_MARGIN = 0.6  # of the box, kept around a face


class LargeFigures(Figures):
    """One large JPEG photo of pasted faces, anonymized by ``visard anonymize``.

    Attributes:
        width: px.
        height: px.
        found: pasted faces that the detector found (IoU > 0.5).
        smallest_found: longer side of the smallest of them, px.
        code: exit code of the command.
        peak_bytes: of its memory.
        seconds: with start-up.
    """

    width: int
    height: int
    found: Rate
    smallest_found: float | None
    code: int
    peak_bytes: int
    seconds: float


def measure_large(shown: Sequence[Shown], studio: Studio, size: tuple[int, int] = SIZE) -> LargeFigures:
    """Paste the faces of photos into a large one and anonymize it.

    Args:
        shown: whose main faces are used, again and again if they are few.
        size: width and height.
    """
    pixels, boxes = crowd([_main_face(one) for one in shown], size)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=92)
    photo = studio.write(buffer.getvalue(), "jpg")
    found = find_faces(decode(buffer.getvalue(), studio.parts.limits).pixels, studio.parts.detector)
    hit = [shows(found, box) for box in boxes]
    sides = [box[2] - box[0] for box, was in zip(boxes, hit, strict=True) if was]
    usage = _anonymized_apart(photo, studio)
    return LargeFigures(
        width=size[0],
        height=size[1],
        found=Rate.counted(hit),
        smallest_found=min(sides, default=None),
        code=usage["code"],
        peak_bytes=usage["peak_bytes"],
        seconds=usage["seconds"],
    )


def crowd(faces: Sequence[Pixels], size: tuple[int, int]) -> tuple[Pixels, list[Box]]:
    """A smooth background with faces of growing size on it.

    Args:
        faces: square crops, the box of the face in the middle, ``_MARGIN`` of it on every side.
        size: width and height; sizes of faces follow from it.

    Returns:
        (height, width, 3) uint8, and the boxes.
    """
    width, height = size
    scale = min(width / SIZE[0], height / SIZE[1])
    canvas = _background(width, height)
    boxes: list[Box] = []
    x, y, row = 0, 0, 0
    for i, side in enumerate(np.geomspace(_LARGEST * scale, max(_SMALLEST * scale, _SMALLEST), FACES)):
        whole = round(side * (1 + 2 * _MARGIN))
        if x + whole > width:
            x, y, row = 0, y + row, 0
        if y + whole > height:
            break
        face = cv2.resize(faces[i % len(faces)], (whole, whole), interpolation=cv2.INTER_AREA)
        canvas[y : y + whole, x : x + whole] = face
        edge = side * _MARGIN
        boxes.append((x + edge, y + edge, x + edge + side, y + edge + side))
        x, row = x + whole, max(row, whole)
    return canvas, boxes


def _background(width: int, height: int) -> Pixels:
    down, right = np.linspace(0, 3, height)[:, None], np.linspace(0, 4, width)[None]
    canvas = np.empty((height, width, 3), np.uint8)
    for channel in range(3):
        canvas[..., channel] = 128 + 60 * np.sin(down + channel) * np.cos(right - channel)
    return canvas


def _main_face(shown: Shown) -> Pixels:
    """A square around the largest face, the surroundings repeated where the photo ends."""
    face = max(shown.made.faces, key=lambda one: one.scale)
    return _square(np.asarray(shown.original.pixels), face)


def _square(pixels: Pixels, face: PlacedFace) -> Pixels:
    left, top, right, bottom = face.box
    half = round(max(right - left, bottom - top) * (0.5 + _MARGIN))
    x, y = (left + right) // 2, (top + bottom) // 2
    padded = np.pad(pixels, ((half, half), (half, half), (0, 0)), mode="edge")
    return padded[y : y + 2 * half, x : x + 2 * half]


def _anonymized_apart(photo: Path, studio: Studio) -> dict[str, float]:
    bundles = studio.parts.bundles
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("VISARD_")},
        "VISARD_HOME": str(photo.with_suffix(".home")),
        "VISARD_WEIGHTS": str(bundles.default.directory),
        "VISARD_DEVICE": str(bundles.device),
    }
    command = [sys.executable, "-m", "service", "anonymize", str(photo), str(photo.with_suffix(".out.jpg")), "--json"]
    done = subprocess.run(  # noqa: S603
        [sys.executable, "-m", "service.evaluation.child", *command],
        env=environment,
        stdout=subprocess.PIPE,
        check=True,
    )
    usage: dict[str, float] = json.loads(done.stdout)
    return usage
