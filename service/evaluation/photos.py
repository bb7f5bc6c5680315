"""Choosing the photos of an evaluation: the same ones for the same seed, one per person."""

import hashlib
import re
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path, PurePath

from service.errors import FileUnusable
from service.photo_files import files_below, is_archive, is_photo

_NUMBERED = re.compile(r"(.+)_\d+")


@dataclass(frozen=True, slots=True)
class Photo:
    """A photo file.

    Attributes:
        name: without folder and suffix.
        data: the bytes of the file.
    """

    name: str
    data: bytes = field(repr=False)


def choose_photos(data: Path, limit: int, seed: int) -> list[Photo]:
    """``limit`` photos of different people, ordered by a hash of seed and name.

    Args:
        data: a photo, a tar archive of photos, or a folder with both below it.

    Raises:
        FileUnusable: ``data`` cannot be read or holds no photos.
    """
    best: dict[str, tuple[bytes, _Source]] = {}
    try:
        for source in _sources(data):
            place = rank(seed, source.name)
            person = person_of(source.name)
            if person not in best or place < best[person][0]:
                best[person] = place, source
        chosen = [source for _, source in sorted(best.values(), key=lambda ranked: ranked[0])][:limit]
        photos = [Photo(source.name, source.read()) for source in chosen]
    except (OSError, tarfile.TarError) as error:
        raise FileUnusable("the photos for the evaluation cannot be read") from error
    if not photos:
        raise FileUnusable("there are no photos to evaluate on")
    return photos


@dataclass(frozen=True, slots=True)
class _Source:
    name: str
    read: Callable[[], bytes]


def person_of(name: str) -> str:
    """``Ada_Lovelace_0001`` is a photo of ``Ada_Lovelace``; other names are people of their own."""
    numbered = _NUMBERED.fullmatch(name)
    return numbered.group(1) if numbered else name


def rank(seed: int, name: str) -> bytes:
    """Where a name comes in the order of a seed."""
    return hashlib.sha256(f"{seed}:{name}".encode()).digest()


def _sources(data: Path) -> Iterator[_Source]:
    for path in files_below(data):
        if is_photo(path.name):
            yield _Source(path.stem, path.read_bytes)
        elif is_archive(path.name):
            yield from _members(path)


def _members(archive: Path) -> Iterator[_Source]:
    """Photos that are read when they are chosen: few of an archive are."""
    with tarfile.open(archive) as tar:
        found = [(member.name, member.offset_data, member.size) for member in tar if member.isfile()]
    for name, offset, size in found:
        if is_photo(name):
            yield _Source(PurePath(name).stem, partial(_part, archive, offset, size))


def _part(path: Path, offset: int, size: int) -> bytes:
    with path.open("rb") as stream:
        stream.seek(offset)
        return stream.read(size)
