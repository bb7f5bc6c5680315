"""Files that hold secrets: readable by their owner only, whole on disk or not there at all."""

import contextlib
import os
import tempfile
from pathlib import Path

_OTHERS = 0o077
_PRIVATE = 0o600
_BY_UMASK = 0o666


class OpenToOthers(OSError):
    """Group or others may read or write what should be private."""


def require_private(mode: int) -> None:
    """Refuse the mode of a file or directory that group or others may touch.

    Raises:
        OpenToOthers: any of their permission bits is set.
    """
    if mode & _OTHERS:
        raise OpenToOthers("accessible to other users")


def read_private(path: Path) -> bytes | None:
    """The content of a private file; None if there is none. A symbolic link is not followed.

    Raises:
        OpenToOthers: others may read or write it.
        OSError: it cannot be read.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    with open(descriptor, "rb") as file:
        require_private(os.fstat(descriptor).st_mode)
        return file.read()


def replace_durably(path: Path, content: bytes, *, private: bool = True) -> None:
    """Replace a file atomically. Two who do so at once must hold a lock.

    Args:
        private: for its owner only (0600); otherwise as the umask allows.

    Raises:
        OSError: it cannot be written.
    """
    # One fixed name: what a crash left behind may hold secrets, and must not outlive the next write.
    fresh = path.with_name(f".{path.name}.new")
    fresh.unlink(missing_ok=True)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    _fill(os.open(fresh, flags, _PRIVATE if private else _BY_UMASK), content)
    fresh.replace(path)
    _sync_directory(path.parent)


def create_durably(path: Path, content: bytes) -> None:
    """Make a private file, unless there is one: of several who try at once, the first wins for all.

    Raises:
        OSError: it cannot be written.
    """
    # mkstemp makes the file 0600; a link, unlike a rename, never replaces what another process made.
    descriptor, fresh = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        _fill(descriptor, content)
        with contextlib.suppress(FileExistsError):
            os.link(fresh, path)
    finally:
        os.unlink(fresh)
    _sync_directory(path.parent)


def _fill(descriptor: int, content: bytes) -> None:
    with open(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(descriptor)


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
