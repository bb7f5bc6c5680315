"""An evaluation that was cut off goes on where it stopped."""

import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from service.errors import FileUnusable
from service.evaluation.figures import Figures
from service.evaluation.ledger import Kept, Ledger


class Head(Figures):
    digest: str


class Square(Kept):
    of: int
    value: int


class Meter:
    def __init__(self) -> None:
        self.asked: list[int] = []

    def __call__(self, items: Sequence[int]) -> list[Square]:
        self.asked += items
        return [Square(of=item, value=item**2) for item in items]


def values(path: Path, items: Sequence[int], meter: Meter, together: int = 2) -> list[int]:
    return [s.value for s in opened(path).fill({str(item): item for item in items}, together, meter)]


def opened(path: Path, digest: str = "a") -> Ledger[Square]:
    return Ledger(path, Head(digest=digest), Square, lambda square: str(square.of))


def test_what_is_there_is_not_measured_again(tmp_path: Path) -> None:
    path, meter = tmp_path / "squares.jsonl", Meter()
    ledger = opened(path).fill({str(item): item for item in range(7)}, 2, meter)
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


def test_results_are_found_by_name_and_others_stay(tmp_path: Path) -> None:
    path, meter = tmp_path / "squares.jsonl", Meter()
    assert values(path, [5, 2], meter) == [25, 4]
    assert values(path, [1, 2, 3, 4], meter) == [1, 4, 9, 16]
    assert values(path, [5, 4], meter) == [25, 16]
    assert meter.asked == [5, 2, 1, 3, 4]


def test_every_result_says_how_long_it_took(tmp_path: Path) -> None:
    def slow(items: Sequence[int]) -> list[Square]:
        time.sleep(0.02)
        return [Square(of=item, value=0) for item in items]

    path = tmp_path / "squares.jsonl"
    took = [square.seconds or 0.0 for square in opened(path).fill({"1": 1, "2": 2}, 2, slow)]
    assert took[0] == took[1] >= 0.01
    assert [square.seconds for square in opened(path).fill({"1": 1, "2": 2}, 2, slow)] == took


def test_results_of_another_run_are_never_mixed_in(tmp_path: Path) -> None:
    values(tmp_path / "squares.jsonl", range(4), Meter())
    with pytest.raises(FileUnusable, match="other"):
        opened(tmp_path / "squares.jsonl", "b")
    with pytest.raises(FileUnusable):
        opened(tmp_path / "missing" / "squares.jsonl", "b")
