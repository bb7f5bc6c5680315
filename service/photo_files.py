"""Sets of photos: loose files and tar archives, and the table that marks a set as one for evaluation."""

import tarfile
from collections.abc import Iterator
from pathlib import Path, PurePath

PAIRS = "pairs.tsv"
"""The table of labelled pairs; where it lies, photos are for evaluation."""

_SUFFIXES = {".jpg", ".jpeg", ".png", ".webp"}


def is_photo(name: str) -> bool:
    """Whether a file is called like a photo."""
    return PurePath(name).suffix.lower() in _SUFFIXES


def is_pairs(name: str) -> bool:
    """Whether a file is called like the table of pairs."""
    return PurePath(name).name == PAIRS


def is_archive(name: str) -> bool:
    """Whether a file is called like a tar archive."""
    return PurePath(name).suffix.lower() == ".tar"


def files_below(data: Path) -> list[Path]:
    """The files below a folder, sorted; of anything else, itself."""
    return [path for path in sorted(data.rglob("*")) if path.is_file()] if data.is_dir() else [data]


def read_archive(archive: Path) -> Iterator[tuple[str, bytes]]:
    """Names and bytes of the photos in a tar archive, and of a table of pairs, in its order.

    Raises:
        OSError: it cannot be read.
        tarfile.TarError: it is damaged, or no tar archive.
    """
    with tarfile.open(archive) as tar:
        for member in tar:
            wanted = is_photo(member.name) or is_pairs(member.name)
            try:
                stream = tar.extractfile(member) if wanted else None
            except KeyError:
                raise tarfile.ReadError("a link in it leads to what is not in it") from None
            if stream is not None:
                yield member.name, stream.read()
