"""Faces of every size in images of every size."""

import json
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from service.faces.detection import CenterFaceDetector, Detection
from service.faces.search import TILE, find_faces
from tests.faces.people import ASTRONAUT_FACE, astronaut, shared_part

Box = tuple[int, int, int, int]


@dataclass
class PlainDetector:
    """Takes every connected red of one shade, of at least 6 pixels, for a face."""

    seen: list[tuple[int, int]] = field(default_factory=list)

    def __call__(self, rgb: NDArray[np.uint8], min_confidence: float) -> list[Detection]:
        self.seen.append((rgb.shape[0], rgb.shape[1]))
        found = []
        for shade in np.unique(rgb[..., 0][rgb[..., 1] > 0]):
            rows, columns = np.nonzero((rgb[..., 0] == shade) & (rgb[..., 1] > 0))
            left, top, right, bottom = columns.min(), rows.min(), columns.max() + 1, rows.max() + 1
            if right - left >= 6 and bottom - top >= 6 and len(rows) > 0.9 * (right - left) * (bottom - top):
                box = (float(left), float(top), float(right), float(bottom))
                landmarks = np.tile([(left + right) / 2, (top + bottom) / 2], (5, 1))
                found.append(Detection(box, float(shade) / 255, landmarks))
        return [face for face in found if face.confidence >= min_confidence]


def canvas(height: int, width: int, boxes: list[Box]) -> NDArray[np.uint8]:
    rgb = np.zeros((height, width, 3), np.uint8)
    for i, (left, top, right, bottom) in enumerate(boxes):
        rgb[top:bottom, left:right] = (250 - 10 * i, 255, 0)
    return rgb


def found_once(boxes: list[Box], faces: list[Detection]) -> bool:
    matches = [[i for i, box in enumerate(boxes) if shared_part(face.box, box) > 0.8] for face in faces]
    return sorted(matches) == [[i] for i in range(len(boxes))]


LAYOUTS: dict[str, tuple[int, int, list[Box]]] = {
    "a tile": (1024, 1024, [(0, 0, 30, 30), (990, 900, 1024, 1024), (300, 300, 700, 750)]),
    "wide": (300, 3000, [(1000, 10, 1060, 70), (2970, 200, 3000, 240), (400, 50, 600, 250), (0, 270, 30, 300)]),
    "tall": (2900, 500, [(10, 1010, 70, 1040), (400, 2860, 500, 2900), (100, 900, 290, 1090)]),
    "every tile border": (
        2500,
        2300,
        [(x, y, x + 40, y + 44) for x in (620, 1010, 1270) for y in (720, 1005, 1440, 1740)],
    ),
    "too small when shrunk": (200, 7168, [(1024 * i - 19, 30, 1024 * i + 19, 68) for i in range(1, 7)]),
    "larger than a tile": (2400, 3200, [(100, 200, 1500, 2300), (1600, 100, 3150, 1200), (1700, 1500, 1740, 1540)]),
}


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS.keys())
def test_every_face_is_found_once_and_no_array_is_large(layout: tuple[int, int, list[Box]]) -> None:
    height, width, boxes = layout
    detector = PlainDetector()
    faces = find_faces(canvas(height, width, boxes), detector, 0.2)
    assert found_once(boxes, faces)
    for face in faces:
        left, top, right, bottom = face.box
        assert np.abs(face.landmarks - [(left + right) / 2, (top + bottom) / 2]).max() < 1
    assert max(max(seen) for seen in detector.seen) <= TILE
    assert [f.confidence for f in faces] == sorted((f.confidence for f in faces), reverse=True)


@pytest.mark.parametrize(("height", "width"), [(1025, 700), (2000, 1900), (3000, 1024)])
def test_small_faces_anywhere_are_found(height: int, width: int) -> None:
    rng = np.random.default_rng(height)
    corners = [(x, y) for x in range(0, width - 200, 400) for y in range(0, height - 200, 400)][:24]
    starts = (np.array(corners) + rng.integers(0, 160, (len(corners), 2))).tolist()
    boxes = [(x, y, x + 36, y + 40) for x, y in starts]
    assert found_once(boxes, find_faces(canvas(height, width, boxes), PlainDetector(), 0.0))


def test_the_minimum_confidence_reaches_the_detector() -> None:
    rgb = canvas(1500, 1500, [(100, 100, 200, 200), (700, 700, 800, 800)])
    assert len(find_faces(rgb, PlainDetector(), 0.95)) == 1


def test_neighbours_that_touch_stay_two_faces() -> None:
    boxes = [(100, 100, 200, 200), (200, 100, 300, 200)]
    assert found_once(boxes, find_faces(canvas(1500, 1500, boxes), PlainDetector()))


# In front of a large face: at its edge, and in its corner, where its ellipse leaves it visible.
@pytest.mark.parametrize("side", [1000, 1500])
@pytest.mark.parametrize("child", [(320, 110, 420, 210), (300, 100, 400, 200)])
def test_a_small_face_before_a_large_one_stays_a_face(child: Box, side: int) -> None:
    boxes = [(100, 100, 400, 490), child]
    assert found_once(boxes, find_faces(canvas(side, side, boxes), PlainDetector()))


def test_what_the_mask_of_a_larger_find_hides_is_no_face_of_its_own() -> None:
    boxes = [(100, 100, 400, 490), (200, 250, 280, 330)]
    assert found_once(boxes[:1], find_faces(canvas(1500, 1500, boxes), PlainDetector()))


def test_of_tens_of_thousands_of_finds_the_best_are_told_apart() -> None:
    rng, confidences = np.random.default_rng(0), list[float]()

    def noise(rgb: NDArray[np.uint8], min_confidence: float) -> list[Detection]:
        corners, found = rng.uniform(0, 1000, (3000, 2)), rng.uniform(0, 1, 3000)
        confidences.extend(found)
        return [
            Detection((x, y, x + 12, y + 12), float(confidence), np.tile([x, y], (5, 1)))
            for (x, y), confidence in zip(corners, found, strict=True)
        ]

    faces = find_faces(np.zeros((3000, 3000, 3), np.uint8), noise, 0.0)
    assert len(confidences) > 40_000
    assert 5_000 < len(faces) <= 10_000
    assert min(face.confidence for face in faces) >= sorted(confidences)[-10_000]


def test_the_astronaut_has_one_face() -> None:
    (face,) = find_faces(astronaut(), CenterFaceDetector())
    assert shared_part(face.box, ASTRONAUT_FACE) > 0.95


# Run by itself: the peak of a process's memory is never forgotten.
_LARGE_PHOTO = """
import json, pathlib, sys
import cv2, numpy as np
from service.faces.detection import CenterFaceDetector
from service.faces.search import find_faces
from tests.faces.people import ASTRONAUT_FACE, astronaut

left, top, right, bottom = ASTRONAUT_FACE
head = astronaut()[0:250, 100:360]
photo = np.empty((4000, 6000, 3), np.uint8)
photo[:] = np.linspace(90, 190, 6000).astype(np.uint8)[None, :, None]
boxes = []
for x, y, height in [(100, 300, 1500), (3500, 20, 40), (4190, 850, 40), (5900, 3880, 40), (5000, 2000, 300)]:
    scale = height / (bottom - top)
    way = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    pasted = cv2.resize(head, None, fx=scale, fy=scale, interpolation=way)[: 4000 - y, : 6000 - x]
    photo[y : y + pasted.shape[0], x : x + pasted.shape[1]] = pasted
    boxes.append([x + (left - 100) * scale, y + top * scale, x + (right - 100) * scale, y + bottom * scale])
faces = find_faces(photo, CenterFaceDetector())
told = {"boxes": boxes, "found": [face.box for face in faces]}
pathlib.Path(sys.argv[1]).write_text(json.dumps(told))
"""


def test_a_photo_of_24_megapixels_in_bounded_memory(tmp_path: Path) -> None:
    search = [sys.executable, "-c", _LARGE_PHOTO, str(tmp_path / "told.json")]
    # Not started from here: the peak of a child begins at what this process, with all its tests, has had.
    measured = subprocess.run(
        [sys.executable, "-m", "service.evaluation.child", *search],
        check=True,
        stdout=subprocess.PIPE,
        cwd=Path(__file__).parents[2],
    )
    usage = json.loads(measured.stdout)
    assert usage["code"] == 0
    told = json.loads((tmp_path / "told.json").read_text())
    assert len(told["found"]) == len(told["boxes"]) == 5
    for box in told["boxes"]:
        assert max(shared_part(box, found) for found in told["found"]) > 0.6
    assert usage["peak_bytes"] < 1.5 * 2**30
