"""Labelled pairs of photos, as Labeled Faces in the Wild has them (Huang et al. 2007, View 2)."""

import csv
import io
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePath

from service.errors import FileUnusable
from service.evaluation.photos import Photo, person_of, rank
from service.photo_files import PAIRS, files_below, is_archive, is_pairs, is_photo, read_archive

_COLUMNS = {"fold", "same", "a", "b"}


@dataclass(frozen=True, slots=True)
class Pair:
    """Names of two photo files of one person."""

    a: str
    b: str

    @property
    def person(self) -> str:
        """Who is on both."""
        return person_of(PurePath(self.a).stem)


@dataclass(frozen=True, slots=True)
class PairSet:
    """Photos, and which of them show one person.

    Attributes:
        same: the pairs of one person, in the order of the table.
        photos: the bytes of every photo, by file name.
    """

    same: tuple[Pair, ...]
    photos: dict[str, bytes] = field(repr=False)

    def photo(self, name: str) -> Photo:
        """One photo.

        Raises:
            FileUnusable: the table names a photo that is not there.
        """
        try:
            return Photo(PurePath(name).stem, self.photos[name])
        except KeyError:
            raise FileUnusable(f"the table of pairs names a photo that is not there: {name}") from None

    def chosen(self, limit: int, seed: int) -> list[Pair]:
        """Pairs of different people, ordered by a hash of seed and names."""
        first: dict[str, Pair] = {}
        for pair in sorted(self.same, key=lambda pair: rank(seed, pair.a + pair.b)):
            first.setdefault(pair.person, pair)
        return list(first.values())[:limit]

    def others(self, people: Sequence[str], limit: int, seed: int) -> list[Photo]:
        """One photo each of people other than these, ordered by a hash of seed and name."""
        seen = set(people)
        chosen: list[Photo] = []
        for name in sorted(self.photos, key=lambda name: rank(seed, name)):
            person = person_of(PurePath(name).stem)
            if person not in seen and len(chosen) < limit:
                seen.add(person)
                chosen.append(self.photo(name))
        return chosen


def load_pairs(data: Path) -> PairSet:
    """Read ``pairs.tsv`` (columns fold, same, a, b) and the photos beside it.

    Args:
        data: a tar archive, or a folder that holds one, or the table and the photos somewhere below it.

    Raises:
        FileUnusable: it cannot be read, or holds no pairs.
    """
    try:
        files = dict(_members(data) if data.is_file() else _below(data))
        table = files.pop(PAIRS).decode()
    except (OSError, tarfile.TarError, UnicodeDecodeError) as error:
        raise FileUnusable("the labelled pairs cannot be read") from error
    except KeyError:
        raise FileUnusable(f"there is no {PAIRS} in the data") from None
    rows = csv.DictReader(io.StringIO(table), delimiter="\t")
    if _COLUMNS - set(rows.fieldnames or ()):
        raise FileUnusable(f"{PAIRS} needs the columns fold, same, a and b")
    same = tuple(Pair(row["a"], row["b"]) for row in rows if row["same"] == "1")
    if not same:
        raise FileUnusable(f"{PAIRS} names no pair of one person")
    return PairSet(same, files)


def _below(folder: Path) -> list[tuple[str, bytes]]:
    files = files_below(folder)
    archives = [path for path in files if is_archive(path.name)]
    if not any(is_pairs(path.name) for path in files) and archives:
        return [member for archive in archives for member in _members(archive)]
    return [(path.name, path.read_bytes()) for path in files if is_photo(path.name) or is_pairs(path.name)]


def _members(archive: Path) -> list[tuple[str, bytes]]:
    return [(PurePath(name).name, data) for name, data in read_archive(archive)]
