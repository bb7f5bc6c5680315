"""What the names of files say: the formats they stand for, and what the result of a source is called."""

import os
from collections.abc import Callable

from service.errors import FileUnusable
from service.imaging import OutputFormat

_SUFFIXES: dict[OutputFormat, tuple[str, ...]] = {
    "png": (".png",),
    "jpeg": (".jpg", ".jpeg", ".jpe"),
    "webp": (".webp",),
    "tiff": (".tiff", ".tif"),
}
PHOTO_SUFFIXES = {".bmp", *(suffix for suffixes in _SUFFIXES.values() for suffix in suffixes)}
"""What counts as a photo."""


def format_of(name: str | os.PathLike[str]) -> OutputFormat | None:
    """The format that a file name stands for, of those that are written here."""
    suffix = os.path.splitext(name)[1].lower()
    return next((format_ for format_, suffixes in _SUFFIXES.items() if suffix in suffixes), None)


def result_name(source: str, format_: OutputFormat, is_source: Callable[[str], bool]) -> str:
    """Of a result: the source's, with a suffix after it if its own does not fit. No two sources share one.

    Args:
        is_source: whether there is another source of a name.

    Raises:
        FileUnusable: the name belongs to the result of another source.
    """
    if format_of(source) == format_:
        return source
    name = source + _SUFFIXES[format_][0]
    if is_source(name):
        raise FileUnusable("the result would have the name of another source")
    return name
