"""The training photos in memory, each with the face the detector found in it."""

import tarfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from service.errors import BadInput, ImageDamaged
from service.faces.detection import Detector

_SUFFIXES = {".webp", ".jpg", ".jpeg", ".png"}


@dataclass(frozen=True, slots=True)
class FaceSet:
    """N photos with one face each.

    Attributes:
        names: N paths inside the sources.
        encoded: N image files, as bytes.
        boxes: (N, 4) float64, left, top, right, bottom in pixels.
        landmarks: (N, 5, 2) float64.
        groups: N integers, the folder a photo came from.
    """

    names: list[str]
    encoded: list[bytes]
    boxes: NDArray[np.float64]
    landmarks: NDArray[np.float64]
    groups: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.names)

    def select(self, indices: Sequence[int]) -> "FaceSet":
        """The photos with these numbers, in this order."""
        chosen = np.asarray(indices, np.int64)
        return FaceSet(
            [self.names[i] for i in chosen],
            [self.encoded[i] for i in chosen],
            self.boxes[chosen],
            self.landmarks[chosen],
            self.groups[chosen],
        )

    def pixels(self, index: int) -> NDArray[np.uint8]:
        """Decode photo ``index`` to (H, W, 3) uint8 RGB."""
        return _decode(self.encoded[index])


def load_face_set(source: Path, cache: Path, detector: Detector, pattern: str = "faces-train") -> FaceSet:
    """Read every photo below ``source`` and the face in it; detections are kept in ``cache``.

    Args:
        source: a folder of photos, or of tar archives whose names start with ``pattern``.
        cache: an ``.npz`` file, made on the first call.
        detector: finds the faces on the first call.
        pattern: start of the names of the archives to read.

    Raises:
        BadInput: no photo with a face was found.
    """
    files = dict(tqdm(_image_files(source, pattern), desc="reading photos", unit=" photos", leave=False))
    if not cache.exists():
        _detect_all(files, cache, detector)
    with np.load(cache) as found:
        names, boxes, landmarks = found["names"].tolist(), found["boxes"], found["landmarks"]
    if not names:
        raise BadInput("no photo with a face was found in the training data")
    folders = sorted({name.split("/")[0] for name in names})
    groups = np.array([folders.index(name.split("/")[0]) for name in names])
    return FaceSet(names, [files[name] for name in names], boxes, landmarks, groups)


def _image_files(source: Path, pattern: str) -> Iterator[tuple[str, bytes]]:
    for path in sorted(source.rglob("*")):
        if path.suffix.lower() in _SUFFIXES:
            yield path.relative_to(source).as_posix(), path.read_bytes()
        elif path.suffix == ".tar" and path.name.startswith(pattern):
            yield from _tar_members(path)


def _tar_members(path: Path) -> Iterator[tuple[str, bytes]]:
    with tarfile.open(path) as archive:
        for member in archive:
            stream = archive.extractfile(member) if Path(member.name).suffix.lower() in _SUFFIXES else None
            if stream is not None:
                yield member.name, stream.read()


def _detect_all(files: dict[str, bytes], cache: Path, detector: Detector) -> None:
    names, boxes, landmarks = [], [], []
    for name, data in tqdm(files.items(), desc="finding faces", unit=" photos"):
        found = detector(_decode(data), 0.5)
        if found:
            best = max(found, key=lambda face: _area(face.box))
            names.append(name)
            boxes.append(best.box)
            landmarks.append(best.landmarks)
    cache.parent.mkdir(parents=True, exist_ok=True)
    np.savez(cache, names=np.array(names), boxes=np.array(boxes), landmarks=np.array(landmarks))


def _area(box: tuple[float, float, float, float]) -> float:
    return (box[2] - box[0]) * (box[3] - box[1])


def _decode(data: bytes) -> NDArray[np.uint8]:
    bgr = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    if bgr is None:
        raise ImageDamaged("a training photo cannot be decoded")
    return np.asarray(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB), np.uint8)
