"""Results below a folder of this machine, whatever names their sources have where they come from."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from service.errors import NameUnusable
from service.private_files import replace_durably

_OF_A_NAME = (errno.ENAMETOOLONG, errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.ELOOP, errno.EILSEQ)


def write_below(folder: Path, name: str, data: bytes) -> None:
    """Write a file, whole or not at all; the folders it is in are made.

    Raises:
        NameUnusable: it cannot have this name, or what has it is no file.
        OSError: nothing can be written there.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with _of_its_name():
        path = _below(folder, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_durably(path, data, private=False)


def remove_below(folder: Path, name: str) -> None:
    """Remove a file, if it is there: none has a name that none can have.

    Raises:
        OSError: it cannot be removed.
    """
    with suppress(FileNotFoundError, NameUnusable), _of_its_name():
        _below(folder, name).unlink()


@contextmanager
def _of_its_name() -> Iterator[None]:
    """Tell what is wrong with a name from what is wrong with a folder that is there."""
    try:
        yield
    except ValueError as error:
        raise _unusable() from error
    except OSError as error:
        if error.errno not in _OF_A_NAME:
            raise
        raise _unusable() from error


def _below(folder: Path, name: str) -> Path:
    # To an object store these are names like any other; here they lead to other files, or out of the folder.
    if not {"", ".", ".."}.isdisjoint(name.split("/")):
        raise _unusable()
    return folder / name


def _unusable() -> NameUnusable:
    return NameUnusable("no file can have the name of the result in the destination")
