"""Results as JSON lines, so that an evaluation that was cut off goes on where it stopped."""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Generic, TypeVar

from pydantic import ValidationError

from service.errors import FileUnusable
from service.evaluation.figures import Figures

_Item = TypeVar("_Item")


class Kept(Figures):
    """Base of a result that a ledger keeps.

    Attributes:
        seconds: it took, of a batch its share; None in ledgers that do not say.
    """

    seconds: float | None = None


_T = TypeVar("_T", bound=Kept)


class Ledger(Generic[_T]):
    """A file whose first line says what was measured and whose other lines are results.

    Args:
        path: of the file; made if missing.
        head: what all results of the file have in common.
        kind: of the results.
        name: of a result; what has no name in ``fill`` stays in the file and is not given out.

    Raises:
        FileUnusable: the file belongs to another run, or cannot be read or written.
    """

    def __init__(self, path: Path, head: Figures, kind: type[_T], name: Callable[[_T], str]) -> None:
        self._path = path
        self._results: dict[str, _T] = {}
        try:
            lines = path.read_text().splitlines() if path.exists() else []
            if not lines:
                path.write_text(head.model_dump_json() + "\n")
            elif lines[0] != head.model_dump_json():
                raise FileUnusable(
                    f"{path.name} holds results of other data, weights or choices: choose another output"
                )
            else:
                whole = list(_whole(lines[1:], kind))
                path.write_text("".join(f"{line}\n" for line in lines[: 1 + len(whole)]))
                self._results = {name(result): result for result in whole}
        except OSError as error:
            raise FileUnusable(f"{path.name} cannot be read or written") from error

    def fill(
        self, items: Mapping[str, _Item], together: int, measure: Callable[[Sequence[_Item]], Iterable[_T]]
    ) -> Iterator[_T]:
        """The results of ``items``, in order: those that are there, and those that ``measure`` adds.

        Args:
            items: by the names of their results.
            together: how many items ``measure`` takes; it gives one result for each, in order.
        """
        left = [name for name in items if name not in self._results]
        for name in items:
            if name not in self._results:
                part, left = left[:together], left[together:]
                self._add(part, [items[one] for one in part], measure)
            yield self._results[name]

    def _add(
        self, names: Sequence[str], items: Sequence[_Item], measure: Callable[[Sequence[_Item]], Iterable[_T]]
    ) -> None:
        started = time.perf_counter()
        found = list(measure(items))
        share = (time.perf_counter() - started) / len(found)
        timed = [result.model_copy(update={"seconds": share}) for result in found]
        with self._path.open("a") as stream:
            stream.writelines(result.model_dump_json() + "\n" for result in timed)
        self._results.update(zip(names, timed, strict=True))


def _whole(lines: Sequence[str], kind: type[_T]) -> Iterator[_T]:
    """The results up to a line that was cut off while it was written."""
    for line in lines:
        try:
            yield kind.model_validate_json(line)
        except ValidationError:
            return
