"""How far an evaluation is."""

from collections.abc import Iterable
from typing import TypeVar

from tqdm import tqdm

_T = TypeVar("_T")


def bar(items: Iterable[_T], what: str, total: int | None = None) -> "tqdm[_T]":
    """The items, counted on stderr where that is a terminal."""
    return tqdm(items, desc=what, total=total, leave=False, disable=None)
