"""Reading photos and writing results."""

import os
import tempfile
from pathlib import Path

from service.errors import FileUnusable, ImageTooLarge


def read_file(path: Path, limit: int | None = None) -> bytes:
    """The bytes of a file.

    Raises:
        FileUnusable: it cannot be read.
        ImageTooLarge: it has more than ``limit`` bytes; no more of it are read.
    """
    try:
        with path.open("rb") as stream:
            data = stream.read(-1 if limit is None else limit + 1)
    except OSError as error:
        raise FileUnusable(f"cannot read {path}: {error.strerror}") from error
    if limit is not None and len(data) > limit:
        raise ImageTooLarge(f"the file has more than the {limit} bytes of VISARD_MAX_UPLOAD_BYTES")
    return data


def write_file(path: Path, data: bytes, *, private: bool = False) -> None:
    """Write a whole file or none: never a truncated one.

    Args:
        private: readable by its owner only (recovered faces).

    Raises:
        FileUnusable: it cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # Unlike ``private_files.replace_durably``, whose writers hold a lock and share one name: runs know nothing of
        # each other, and what a power cut loses can be made again. Without the file's name, which may be as long as
        # a name can be.
        descriptor, part = tempfile.mkstemp(dir=path.parent, prefix=".visard-")
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
