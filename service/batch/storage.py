"""Folders and object stores, by their URLs (the only import of fsspec)."""

import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import fsspec
from fsspec.implementations.local import LocalFileSystem

from service.batch.names import PHOTO_SUFFIXES
from service.errors import FileUnusable, ImageTooLarge
from service.private_files import replace_durably


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

        Raises:
            FileUnusable: no such kind of store is known, or its library is not installed.
        """
        try:
            files, root = fsspec.core.url_to_fs(url)
        except (ImportError, ValueError) as error:
            raise FileUnusable(f"nothing installed here reads {url.partition(':')[0]} URLs") from error
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

    def photos(self) -> Iterator[str]:
        """The names of the photos in it and below it, sorted in each folder. Links to folders are not followed.

        Raises:
            FileUnusable: it cannot be listed.
        """
        folders = [self.root]
        while folders:
            below = []
            for entry in self._listed(folders.pop()):
                name = entry["name"].rstrip("/")
                if entry["type"] == "directory":
                    below += [] if entry.get("islink") else [name]
                elif os.path.splitext(name)[1].lower() in PHOTO_SUFFIXES and not os.path.basename(name).startswith("."):
                    yield name[len(self.root) + 1 :]
            folders += reversed(below)

    def read(self, name: str, limit: int) -> bytes:
        """A file, whole and in memory.

        Raises:
            ImageTooLarge: it has more than ``limit`` bytes.
            FileUnusable: it cannot be read.
        """
        try:
            with self.files.open(self._path(name), "rb") as opened:
                data: bytes = opened.read(limit + 1)
        except OSError as error:
            raise FileUnusable("the file cannot be read") from error
        if len(data) > limit:
            raise ImageTooLarge(f"the file has more than {limit} bytes")
        return data

    def write(self, name: str, data: bytes) -> None:
        """A file, whole or not at all.

        Raises:
            FileUnusable: it cannot be written.
        """
        try:
            if self.local is None:
                self.files.pipe_file(self._path(name), data)
                return
            path = self.local / name
            path.parent.mkdir(parents=True, exist_ok=True)
            replace_durably(path, data, private=False)
        except OSError as error:
            raise FileUnusable("the file cannot be written") from error

    def has(self, name: str) -> bool:
        """Whether there is such a file.

        Raises:
            FileUnusable: nobody can tell.
        """
        try:
            return bool(self.files.exists(self._path(name)))
        except OSError as error:
            raise FileUnusable("the folder does not answer") from error

    def remove(self, name: str) -> None:
        """Remove a file, if it is there.

        Raises:
            FileUnusable: it cannot be removed.
        """
        try:
            with suppress(FileNotFoundError):
                self.files.rm_file(self._path(name))
        except OSError as error:
            raise FileUnusable("a file cannot be removed") from error

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
        except OSError as error:
            raise FileUnusable("the source is no folder, or cannot be listed") from error
