"""The training photos in memory, each with the face the detector found in it."""

import tarfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from service.errors import BadInput, FileUnusable, ImageDamaged
from service.faces.detection import Detector
from service.photo_files import PAIRS, files_below, is_archive, is_pairs, is_photo, read_archive


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


@dataclass(frozen=True, slots=True)
class PhotoSource:
    """Where some of the photos come from.

    Attributes:
        path: a folder or a tar archive.
        files: image files by name, as bytes.
    """

    path: Path
    files: dict[str, bytes] = field(repr=False)


def read_photos(data: Sequence[Path]) -> list[PhotoSource]:
    """Read the photos of folders and tar archives, and of every tar archive in the folders.

    Raises:
        FileUnusable: something cannot be read, holds no photos, or holds labelled pairs, which are for evaluation;
            or two photos have one name.
    """
    try:
        sources = [source for path in data for source in _sources(path)]
    except (OSError, tarfile.TarError) as error:
        raise FileUnusable("the training photos cannot be read") from error
    seen: set[str] = set()
    for source in sources:
        both = min(seen & source.files.keys(), default=None)
        if both is not None:
            raise FileUnusable(f"the training photos hold {both} twice: give each file once, under a name of its own")
        seen |= source.files.keys()
    return sources


def load_face_set(sources: Sequence[PhotoSource], cache: Path, detector: Detector) -> FaceSet:
    """Find the face in every photo; detections are kept in ``cache``.

    Args:
        sources: of the photos.
        cache: an ``.npz`` file, made by the first call that finds a face.
        detector: finds the faces on the first call.

    Raises:
        BadInput: no photo with a face was found, or the cache is of other photos.
    """
    files = {name: data for source in sources for name, data in source.files.items()}
    if not cache.exists():
        _detect_all(files, cache, detector)
    with np.load(cache) as found:
        names, boxes, landmarks = found["names"].tolist(), found["boxes"], found["landmarks"]
        begun_on = set(found["photos"].tolist())
    if files.keys() != begun_on:
        raise BadInput("the run was begun on other photos: name the same ones, or another folder for the run")
    folders = sorted({name.split("/")[0] for name in names})
    groups = np.array([folders.index(name.split("/")[0]) for name in names])
    return FaceSet(names, [files[name] for name in names], boxes, landmarks, groups)


def _sources(data: Path) -> list[PhotoSource]:
    """A folder's own photos, and each archive's."""
    top = data if data.is_dir() else data.parent
    files = files_below(data)
    loose = [path for path in files if is_photo(path.name) or is_pairs(path.name)]
    sources = [_source(data, ((path.relative_to(top).as_posix(), path.read_bytes()) for path in loose))]
    sources += [_source(path, read_archive(path)) for path in files if is_archive(path.name)]
    sources = [source for source in sources if source.files]
    if not sources:
        raise FileUnusable(f"there are no photos in {data.name}")
    return sources


def _source(path: Path, members: Iterable[tuple[str, bytes]]) -> PhotoSource:
    files = dict(tqdm(members, desc="reading photos", unit=" photos", leave=False))
    if any(map(is_pairs, files)):
        raise FileUnusable(
            f"{path.name} is for evaluation, as it holds {PAIRS}, and is not trained on: "
            "name the folders and archives to train on one by one"
        )
    return PhotoSource(path, files)


def _detect_all(files: dict[str, bytes], cache: Path, detector: Detector) -> None:
    names, boxes, landmarks = [], [], []
    for name, data in tqdm(files.items(), desc="finding faces", unit=" photos"):
        found = detector(_decode(data), 0.5)
        if found:
            best = max(found, key=lambda face: _area(face.box))
            names.append(name)
            boxes.append(best.box)
            landmarks.append(best.landmarks)
    if not names:
        raise BadInput("no photo with a face was found in the training data")
    cache.parent.mkdir(parents=True, exist_ok=True)
    read = np.array(list(files))
    np.savez(cache, photos=read, names=np.array(names), boxes=np.array(boxes), landmarks=np.array(landmarks))


def _area(box: tuple[float, float, float, float]) -> float:
    return (box[2] - box[0]) * (box[3] - box[1])


def _decode(data: bytes) -> NDArray[np.uint8]:
    bgr = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    if bgr is None:
        raise ImageDamaged("a training photo cannot be decoded")
    return np.asarray(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB), np.uint8)
