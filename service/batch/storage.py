"""Folders and object stores, by their URLs (the only import of fsspec)."""

import errno
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import fsspec
from fsspec.implementations.local import LocalFileSystem

from service.batch.disk import remove_below, write_below
from service.batch.names import PHOTO_SUFFIXES
from service.batch.patience import patiently
from service.errors import FilesUnavailable, FileUnusable, ImageTooLarge, NameUnusable, VisardError

_OF_ONE_FILE = (FileNotFoundError, FileExistsError, NotADirectoryError, IsADirectoryError, PermissionError)
_NUMBERS_OF_ONE_FILE = (errno.ELOOP, errno.ENAMETOOLONG, errno.ENXIO)
_OF_A_NAME = (ValueError, FileExistsError, NotADirectoryError, IsADirectoryError)
_NUMBERS_OF_A_NAME = (errno.ENAMETOOLONG, errno.EINVAL)


@dataclass(frozen=True)
class Folder:
    """A folder on a disk or in an object store; its files have names relative to it, with slashes.

    Attributes:
        files: of fsspec.
        root: without a slash at the end.
        address: the same for every way to write it, and without credentials.
    """

    files: Any
    root: str
    address: str

    @classmethod
    def open(cls, url: str) -> "Folder":
        """The folder of a path, or of a URL like ``s3://bucket/photos``.

        A path is what has no ``://`` in it, whatever else there is: fsspec would go elsewhere for its ``::``.

        Raises:
            FileUnusable: no such kind of store is known, or its library is not installed.
            FilesUnavailable: the store does not answer.
        """
        path = url.removeprefix("file://")
        if "://" not in path:
            return cls._of_this_machine(os.path.abspath(os.path.expanduser(path)))
        try:
            files, root = fsspec.core.url_to_fs(url)
        except (ImportError, ValueError) as error:
            raise FileUnusable(f"nothing installed here reads {url.partition(':')[0]} URLs") from error
        except Exception as error:
            raise _said(error, "the folder cannot be reached") from error
        root = root.rstrip("/")
        return cls(files, root, _address(url, root))

    @classmethod
    def here(cls, path: Path) -> "Folder":
        """The folder of a path, whatever its name looks like."""
        return cls._of_this_machine(str(path.resolve()))

    @classmethod
    def _of_this_machine(cls, path: str) -> "Folder":
        root = path.rstrip("/")
        return cls(LocalFileSystem(), root, root or "/")

    @property
    def local(self) -> Path | None:
        """Where it is, if it is on this machine."""
        return Path(self.root or "/") if isinstance(self.files, LocalFileSystem) else None

    def require_apart(self, other: "Folder") -> None:
        """Refuse two folders of which results of one run would be sources of the next.

        Raises:
            FileUnusable: one of both is the other, or in it.
        """
        mine, its = self._place(), other._place()
        if type(self.files) is type(other.files) and (mine.startswith(its) or its.startswith(mine)):
            raise FileUnusable("source and destination must not lie in one another")

    def require_there(self, name: str = "") -> None:
        """Refuse a folder with nothing in it: another may be mounted there at other times.

        Args:
            name: of a file, whose folder is meant.

        Raises:
            FilesUnavailable: it is empty, not there, or does not answer.
        """
        folder = self._path(name).rpartition("/")[0]
        try:
            if self.local is None:
                # What was remembered says nothing about now.
                self.files.invalidate_cache()
                there = self.files.exists(folder)
            else:
                with os.scandir(folder or "/") as entries:
                    there = any(entries)
        except Exception as error:
            raise FilesUnavailable(f"the folder does not answer ({type(error).__name__})") from error
        if not there:
            raise FilesUnavailable("the folder is not there, or empty")

    def require_regular(self, name: str) -> None:
        """Refuse what must not even be opened: a pipe keeps its reader waiting, and a device may have no end.

        Raises:
            FileUnusable: it is on this machine, and not there or no regular file.
            FilesUnavailable: nobody can tell; its whole folder is away.
        """
        if self.local is None:
            return
        try:
            regular = stat.S_ISREG(os.stat(self._path(name)).st_mode)
        except OSError as error:
            self.require_there(name)
            raise _said(error, "the file cannot be read") from error
        if not regular:
            raise FileUnusable("this is no regular file")

    def photos(self, skip: Callable[[str, VisardError], None] | None = None) -> Iterator[str]:
        """The names of the photos in it and below it, sorted in each folder. Links to folders are not followed.

        Args:
            skip: told of a folder below that cannot be listed, and why; without it, this is raised.

        Raises:
            FileUnusable: it is no folder, or must not be listed.
            FilesUnavailable: it cannot be listed now.
        """
        folders = [self.root]
        while folders:
            folder, below = folders.pop(), []
            try:
                entries = patiently(partial(self._listed, folder))
            except VisardError as error:
                if skip is None or folder == self.root:
                    raise
                # Where nothing can be listed any more, it is not this folder's fault.
                patiently(self.require_there)
                skip(folder[len(self.root) + 1 :], error)
                continue
            for name, is_folder in entries:
                if is_folder:
                    below.append(name)
                elif os.path.splitext(name)[1].lower() in PHOTO_SUFFIXES and not os.path.basename(name).startswith("."):
                    yield name[len(self.root) + 1 :]
            folders += reversed(below)

    def read(self, name: str, limit: int) -> bytes:
        """A file, whole and in memory.

        Raises:
            ImageTooLarge: it has more than ``limit`` bytes.
            FileUnusable: it is not there, is no regular file, or must not be read.
            FilesUnavailable: it cannot be read now, or its whole folder is away.
        """
        self.require_regular(name)
        try:
            with self.files.open(self._path(name), "rb") as opened:
                data: bytes = opened.read(limit + 1)
        except Exception as error:
            self.require_there(name)
            raise _said(error, "the file cannot be read") from error
        if len(data) > limit:
            raise ImageTooLarge(f"the file has more than {limit} bytes")
        return data

    def write(self, name: str, data: bytes) -> None:
        """A file, whole or not at all.

        Raises:
            NameUnusable: it cannot have this name; others can be written.
            FileUnusable: it must not be written.
            FilesUnavailable: it cannot be written now.
        """
        try:
            if self.local is None:
                self.files.pipe_file(self._path(name), data)
            else:
                write_below(self.local, name, data)
        except NameUnusable:
            raise
        except Exception as error:
            if self.local is None:
                raise _not_written(error, name) from error
            raise _said(error, f"{name} cannot be written") from error

    def has(self, name: str) -> bool:
        """Whether there is such a file.

        Raises:
            FileUnusable, FilesUnavailable: nobody can tell; its whole folder is away.
        """
        try:
            # ``exists`` of most stores says no to whatever went wrong.
            self.files.info(self._path(name))
        except (FileNotFoundError, NotADirectoryError):
            self.require_there(name)
            return False
        except Exception as error:
            self.require_there(name)
            raise _said(error, "nobody can tell whether there is a file") from error
        return True

    def remove(self, name: str) -> None:
        """Remove a file, if it is there: none has a name that none can have.

        Raises:
            FileUnusable: it must not be removed.
            FilesUnavailable: it cannot be removed now.
        """
        try:
            if self.local is not None:
                remove_below(self.local, name)
                return
            with suppress(FileNotFoundError):
                self.files.rm_file(self._path(name))
        except Exception as error:
            if self.local is None and _is_of_its_name(error):
                return
            raise _said(error, "a file cannot be removed") from error

    def _place(self) -> str:
        """Where it really is, with a slash at the end."""
        root = self.root if self.local is None else str(self.local.resolve())
        return f"{root.rstrip('/')}/"

    def _path(self, name: str) -> str:
        return f"{self.root}/{name}"

    def _listed(self, folder: str) -> list[tuple[str, bool]]:
        """What is in a folder, sorted: the names, and whether each is a folder to look into. No more is kept."""
        try:
            return sorted(self._entries(folder))
        except Exception as error:
            if folder != self.root:
                self.require_there()
            raise _said(error, "the source is no folder, or cannot be listed") from error

    def _entries(self, folder: str) -> Iterator[tuple[str, bool]]:
        if self.local is not None:
            # fsspec would look at every file.
            with os.scandir(folder or "/") as entries:
                for entry in entries:
                    yield f"{folder}/{entry.name}", entry.is_dir(follow_symlinks=False)
            return
        # Object stores remember listings; another process may have added to it since.
        for found in self.files.ls(folder, detail=True, refresh=True):
            name = found["name"].rstrip("/")
            # Some stores have an object that stands for the folder, and list it as what is in it.
            if name.strip("/") != folder.strip("/") and not (found["type"] == "directory" and found.get("islink")):
                yield name, found["type"] == "directory"
        self.files.invalidate_cache(folder)


def _address(url: str, root: str) -> str:
    """Of a URL: without what may be a secret in it, before the machine and behind a question mark."""
    scheme, _, rest = url.partition("://")
    machine = rest.partition("/")[0]
    within = root.partition("://")[2].partition("/")[2] if "://" in root else root.strip("/")
    # Of most stores the first part is the bucket, which the root begins with; of others it is a machine.
    if machine != within.partition("/")[0]:
        within = f"{machine.rpartition('@')[2]}/{within}"
    return f"{scheme.lower()}://{within.partition('?')[0]}".rstrip("/")


def _not_written(error: Exception, name: str) -> VisardError:
    """Of an object store: it refuses this name, or nothing can be written there now."""
    if _is_of_its_name(error):
        return NameUnusable("the destination takes no result of this name")
    if isinstance(error, PermissionError):
        # Whose credentials have expired hears no other.
        return FilesUnavailable(f"{name} cannot be written ({type(error).__name__})")
    return _said(error, f"{name} cannot be written")


def _is_of_its_name(error: Exception) -> bool:
    return isinstance(error, _OF_A_NAME) or getattr(error, "errno", None) in _NUMBERS_OF_A_NAME


def _said(error: Exception, message: str) -> VisardError:
    """One file that cannot be used, or a store that does not answer: stores raise errors of kinds of their own."""
    if isinstance(error, _OF_ONE_FILE) or getattr(error, "errno", None) in _NUMBERS_OF_ONE_FILE:
        return FileUnusable(message)
    return FilesUnavailable(f"{message} ({type(error).__name__})")
