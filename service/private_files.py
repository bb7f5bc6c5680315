"""Files that hold secrets: readable by their owner only, whole on disk or not there at all."""

import contextlib
import hashlib
import os
import tempfile
from pathlib import Path

_OTHERS = 0o077
_PRIVATE = 0o600
_BY_UMASK = 0o666
_LONG_NAME = 128


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
    fresh = _beside(path)
    fresh.unlink(missing_ok=True)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(fresh, flags, _PRIVATE if private else _BY_UMASK)
    try:
        _fill(descriptor, content)
        fresh.replace(path)
    except BaseException:
        fresh.unlink(missing_ok=True)
        raise
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


def _beside(path: Path) -> Path:
    """Where a file is written first."""
    # One fixed name: what a crash left behind may hold secrets, and must not outlive the next write.
    name = os.fsencode(path.name)
    # Of a long name something shorter: with what is put around it, no file could have it.
    shown = path.name if len(name) <= _LONG_NAME else hashlib.sha256(name).hexdigest()
    return path.with_name(f".{shown}.new")


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
