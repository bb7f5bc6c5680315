"""Results as JSON lines, so that an evaluation that was cut off goes on where it stopped."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Generic, TypeVar

from pydantic import ValidationError

from service.errors import FileUnusable
from service.evaluation.figures import Figures

_T = TypeVar("_T", bound=Figures)
_Item = TypeVar("_Item")


class Ledger(Generic[_T]):
    """A file whose first line says what was measured and whose other lines are results.

    Args:
        path: of the file; made if missing.
        head: what all results of the file have in common.
        kind: of the results.

    Raises:
        FileUnusable: the file belongs to another run, or cannot be read or written.
    """

    def __init__(self, path: Path, head: Figures, kind: type[_T]) -> None:
        self._path = path
        self._results: list[_T] = []
        try:
            lines = path.read_text().splitlines() if path.exists() else []
            if not lines:
                path.write_text(head.model_dump_json() + "\n")
            elif lines[0] != head.model_dump_json():
                raise FileUnusable(
                    f"{path.name} holds results of other data, weights or choices: choose another output"
                )
            else:
                self._results = list(_whole(lines[1:], kind))
                path.write_text("".join(f"{line}\n" for line in lines[: 1 + len(self._results)]))
        except OSError as error:
            raise FileUnusable(f"{path.name} cannot be read or written") from error

    def fill(
        self, items: Sequence[_Item], together: int, measure: Callable[[Sequence[_Item]], Iterable[_T]]
    ) -> Iterator[_T]:
        """The results of ``items``, in order: those that are there, and those that ``measure`` adds.

        Args:
            together: how many items ``measure`` takes; it gives one result for each.
        """
        yield from self._results[: len(items)]
        for start in range(len(self._results), len(items), together):
            found = list(measure(items[start : start + together]))
            with self._path.open("a") as stream:
                stream.writelines(result.model_dump_json() + "\n" for result in found)
            yield from found


def _whole(lines: Sequence[str], kind: type[_T]) -> Iterator[_T]:
    """The results up to a line that was cut off while it was written."""
    for line in lines:
        try:
            yield kind.model_validate_json(line)
        except ValidationError:
            return
