"""Folders and object stores, by their URLs (the only import of fsspec)."""

import errno
import os
import stat
from collections.abc import Iterator
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


@dataclass(frozen=True)
class Folder:
    """A folder on a disk or in an object store; its files have names relative to it, with slashes.

    Attributes:
        files: of fsspec.
        root: without a slash at the end.
    """

    files: Any
    root: str

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
            return cls(LocalFileSystem(), os.path.abspath(os.path.expanduser(path)).rstrip("/"))
        try:
            files, root = fsspec.core.url_to_fs(url)
        except (ImportError, ValueError) as error:
            raise FileUnusable(f"nothing installed here reads {url.partition(':')[0]} URLs") from error
        except Exception as error:
            raise _said(error, "the folder cannot be reached") from error
        return cls(files, root.rstrip("/"))

    @classmethod
    def here(cls, path: Path) -> "Folder":
        """The folder of a path, whatever its name looks like."""
        return cls(LocalFileSystem(), str(path.resolve()).rstrip("/"))

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

    def photos(self) -> Iterator[str]:
        """The names of the photos in it and below it, sorted in each folder. Links to folders are not followed.

        Raises:
            FileUnusable: it is no folder, or must not be listed.
            FilesUnavailable: it cannot be listed now.
        """
        folders = [self.root]
        while folders:
            folder, below = folders.pop(), []
            for entry in patiently(partial(self._listed, folder)):
                name = entry["name"].rstrip("/")
                # Some stores have an object that stands for the folder, and list it as what is in it.
                if name.strip("/") == folder.strip("/"):
                    continue
                if entry["type"] == "directory":
                    below += [] if entry.get("islink") else [name]
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
        """Remove a file, if it is there.

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
            raise _said(error, "a file cannot be removed") from error

    def _place(self) -> str:
        """Where it really is, with a slash at the end."""
        root = self.root if self.local is None else str(self.local.resolve())
        return f"{root.rstrip('/')}/"

    def _path(self, name: str) -> str:
        return f"{self.root}/{name}"

    def _listed(self, folder: str) -> list[dict[str, Any]]:
        try:
            # Object stores remember listings; another process may have added to it since.
            return sorted(self.files.ls(folder, detail=True, refresh=True), key=lambda entry: str(entry["name"]))
        except Exception as error:
            if folder != self.root:
                self.require_there()
            raise _said(error, "the source is no folder, or cannot be listed") from error


def _said(error: Exception, message: str) -> VisardError:
    """One file that cannot be used, or a store that does not answer: stores raise errors of kinds of their own."""
    if isinstance(error, _OF_ONE_FILE) or getattr(error, "errno", None) in _NUMBERS_OF_ONE_FILE:
        return FileUnusable(message)
    return FilesUnavailable(f"{message} ({type(error).__name__})")
