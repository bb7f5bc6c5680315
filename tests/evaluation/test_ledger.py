"""An evaluation that was cut off goes on where it stopped."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from service.errors import FileUnusable
from service.evaluation.figures import Figures
from service.evaluation.ledger import Ledger


class Head(Figures):
    digest: str


class Square(Figures):
    of: int
    value: int


class Meter:
    def __init__(self) -> None:
        self.asked: list[int] = []

    def __call__(self, items: Sequence[int]) -> list[Square]:
        self.asked += items
        return [Square(of=item, value=item**2) for item in items]


def values(path: Path, items: Sequence[int], meter: Meter, together: int = 2) -> list[int]:
    return [s.value for s in Ledger(path, Head(digest="a"), Square).fill(items, together, meter)]


def test_what_is_there_is_not_measured_again(tmp_path: Path) -> None:
    path, meter = tmp_path / "squares.jsonl", Meter()
    ledger = Ledger(path, Head(digest="a"), Square).fill(range(7), 2, meter)
    assert [next(ledger).value for _ in range(3)] == [0, 1, 4]
    ledger.close()
    assert values(path, range(7), meter) == [0, 1, 4, 9, 16, 25, 36]
    assert meter.asked == list(range(7))
    assert values(path, range(3), meter) == [0, 1, 4] and len(meter.asked) == 7


def test_a_line_that_was_cut_off_is_measured_again(tmp_path: Path) -> None:
    path, meter = tmp_path / "squares.jsonl", Meter()
    values(path, range(4), meter)
    path.write_bytes(path.read_bytes()[:-5])
    assert values(path, range(5), meter) == [0, 1, 4, 9, 16]
    assert meter.asked == [0, 1, 2, 3, 3, 4]
    assert len(path.read_text().splitlines()) == 6


def test_what_follows_a_broken_line_is_measured_again(tmp_path: Path) -> None:
    path, meter = tmp_path / "squares.jsonl", Meter()
    values(path, range(4), meter)
    head, first, _, *rest = path.read_text().splitlines()
    path.write_text("\n".join([head, first, "{", *rest]) + "\n")
    assert values(path, range(4), meter) == [0, 1, 4, 9]
    assert meter.asked == [0, 1, 2, 3, 1, 2, 3]


def test_results_of_another_run_are_never_mixed_in(tmp_path: Path) -> None:
    values(tmp_path / "squares.jsonl", range(4), Meter())
    with pytest.raises(FileUnusable, match="other"):
        Ledger(tmp_path / "squares.jsonl", Head(digest="b"), Square)
    with pytest.raises(FileUnusable):
        Ledger(tmp_path / "missing" / "squares.jsonl", Head(digest="b"), Square)
