"""``visard batch`` ends at any instant of a commit: what is there then, and what the next run makes of it."""

from collections.abc import Callable
from typing import Any

import pytest

from service.batch.manifest import Manifest
from service.batch.storage import Folder
from service.records.store import RecordStore
from tests.batch.conftest import EVERYTHING, Bench

Step = tuple[type, str]
NOTE, RECORD, FILE, LINE = COMMIT = (
    (Manifest, "note"),
    (RecordStore, "add"),
    (Folder, "write"),
    (Manifest, "add"),
)
TAKE_BACK = ((Folder, "remove"), (RecordStore, "delete"), (Manifest, "forget_note"))


def _ends_after(step: Step, bench: Bench) -> None:
    """A run, the first time that the step is done."""

    def ends(*arguments: Any) -> None:
        real(*arguments)
        raise KeyboardInterrupt

    real: Callable[..., Any] = getattr(*step)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(*step, ends)
        with pytest.raises(KeyboardInterrupt):
            bench.run()


def _left(bench: Bench) -> tuple[bool, ...]:
    """Whether there is a note, a record, a file, a line."""
    note = bench.manifest.with_name(f"{bench.manifest.name}.note")
    files = bench.target.local
    assert files is not None
    return note.exists(), bool(bench.records()), any(files.rglob("*.png")), bool(bench.lines)


@pytest.mark.parametrize("done", range(len(COMMIT)))
def test_a_process_that_ends_in_a_commit_leaves_nothing_behind(bench: Bench, done: int) -> None:
    _ends_after(COMMIT[done], bench)
    # Each step only when the one before it is done: no result without its record, no record without its note.
    assert _left(bench) == tuple(step <= done for step in range(len(COMMIT)))
    left = bench.records()
    figures, _ = bench.run()
    to_undo = COMMIT[done] in (RECORD, FILE)
    assert figures.undone == to_undo
    assert bool(left & bench.records()) == (COMMIT[done] == LINE)
    bench.is_whole(EVERYTHING)


@pytest.mark.parametrize("done", range(len(TAKE_BACK)))
def test_a_process_that_ends_in_taking_back_is_no_worse(bench: Bench, done: int) -> None:
    _ends_after(FILE, bench)
    _ends_after(TAKE_BACK[done], bench)
    # Backwards: a result never outlives its record, nor a record the note of it.
    assert _left(bench) == (done < 2, done < 1, False, False)
    bench.run()
    bench.is_whole(EVERYTHING)
