"""Reading photos and writing results: single files, and folders that mirror each other."""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from service.batch.storage import SUFFIXES
from service.errors import FileUnusable

SUFFIX_OF = {"png": ".png", "jpeg": ".jpg", "webp": ".webp", "tiff": ".tiff"}
_FORMATS = {
    ".jpg": "jpeg",
    ".jpeg": "jpeg",
    ".jpe": "jpeg",
    ".png": "png",
    ".webp": "webp",
    ".tif": "tiff",
    ".tiff": "tiff",
}


def format_of(path: Path) -> str | None:
    """The image format a file name asks for."""
    return _FORMATS.get(path.suffix.lower())


def read_file(path: Path) -> bytes:
    """The bytes of a photo.

    Raises:
        FileUnusable: it cannot be read.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise FileUnusable(f"cannot read {path}: {error.strerror}") from error


def write_file(path: Path, data: bytes, *, private: bool = False) -> None:
    """Write a whole file or none: never a truncated one.

    Args:
        private: readable by its owner only (recovered faces).

    Raises:
        FileUnusable: it cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, part = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(descriptor, "wb") as stream:
                stream.write(data)
            if not private:
                os.chmod(part, 0o666 & ~_umask())
            os.replace(part, path)
        except BaseException:
            os.unlink(part)
            raise
    except OSError as error:
        raise FileUnusable(f"cannot write {path}: {error.strerror}") from error


def photos_below(folder: Path, skipped: Path) -> Iterator[Path]:
    """Photos in a folder and its folders, sorted, leaving out what lies below ``skipped``."""
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() in SUFFIXES and path.is_file() and not path.is_relative_to(skipped):
            yield path


def distinct(source: Path, target: Path) -> None:
    """Refuse to overwrite what is being read.

    Raises:
        FileUnusable: both are the same file or folder.
    """
    if target.exists() and source.exists() and os.path.samefile(source, target):
        raise FileUnusable(f"{target} is the input itself; choose another output")


def _umask() -> int:
    current = os.umask(0)
    os.umask(current)
    return current
