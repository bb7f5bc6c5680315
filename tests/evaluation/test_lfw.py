"""The whole evaluation on a set of six photos: figures, files, and going on where it stopped."""

import re
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np
import pytest

from service.errors import NoFaces
from service.evaluation import lfw
from service.evaluation.answers import CASES
from service.evaluation.attacks import deanonymizer
from service.evaluation.attacks.attack import AttackFigures, counted
from service.evaluation.attacks.campaign import Attack
from service.evaluation.attacks.targets import Targets
from service.evaluation.columns import COLUMNS
from service.evaluation.lfw import Choices, run_lfw
from service.evaluation.lfw_report import LfwReport
from service.evaluation.lfw_table import render_lfw
from service.evaluation.recognizers import DlibRecognizer
from service.operations.parts import Parts
from tests.evaluation.conftest import jpeg

CHOICES = Choices(limit=2, people=3, seed=1, attacks=False, lessons=0, command="visard evaluate lfw")


@pytest.fixture(scope="module")
def run(pair_folder: Path, tmp_path_factory: pytest.TempPathFactory, parts: Parts) -> tuple[LfwReport, Path]:
    out = tmp_path_factory.mktemp("lfw")
    return run_lfw(pair_folder, out, parts, DlibRecognizer(), CHOICES), out


def test_figures(run: tuple[LfwReport, Path]) -> None:
    report, _ = run
    assert report.pairs == report.measured == 2 and report.people == 3
    ours = report.restored["ours, rotation"].psnr
    assert ours.count == 2 and ours.median is not None and ours.median > 35
    assert {c: report.utility[c].detected.of for c in COLUMNS} == dict.fromkeys(COLUMNS, 2)
    assert report.matching.recovered["ours, rotation"].other[0].whole.of == 2
    assert report.cost is not None and report.cost.ddim_evaluations == 50
    assert LfwReport.model_validate_json(report.model_dump_json()) == report


def test_every_change_of_a_file_is_answered(run: tuple[LfwReport, Path]) -> None:
    cases = run[0].cases
    assert list(cases) == [case.name for case in CASES] and run[0].changed_photos == 1
    assert cases["PNG, 8 bits"].best == {"exact, verified: image": 1} and cases["PNG, 8 bits"].exact.hits == 1
    assert cases["PNG, 16 bits"].psnr.median == pytest.approx(120, abs=60)
    for case in cases.values():
        again = case.psnr.count
        assert case.ssim.count == case.identity.count == case.recognized.of == case.other.of == again
    assert cases["PNG, 16 bits"].identity.median == pytest.approx(0, abs=0.02)
    assert cases["PNG, 16 bits"].ssim.median == pytest.approx(1, abs=0.01)
    for name in ("resized to 50 %", "cropped by 10 %"):
        assert cases[name].best == cases[name].generative == {"refused: RecordMismatch": 1}
        assert cases[name].psnr.count == cases[name].exact.hits == 0


def test_table_page_and_files(run: tuple[LfwReport, Path]) -> None:
    report, out = run
    table = render_lfw(report)
    for expected in (report.run.digest, "saved again as JPEG 75", str(report.matching.clean.rank_one), "paper"):
        assert expected in table
    page = (out / "report.html").read_text()
    assert page.count("<svg") == 4 and page.count('src="data:image/png;base64,') == 2
    assert not re.findall(r'(?:src|href|url)\s*[=(]\s*"?(?!data:)[^"\s>]+', re.sub(r"base64,[^\"]+", "base64,", page))
    for plot in re.findall(r"<svg.*?</svg>", page):
        assert len(list(ET.fromstring(plot).iter())) > 10  # noqa: S314  # our own
    assert "nan" not in re.sub(r"base64,[^\"]+", "", page)
    names = {path.name for path in out.iterdir()}
    assert names == {"changed.jsonl", "pairs.jsonl", "people.jsonl", "report.html", "results.json", "strips"}
    assert LfwReport.model_validate_json((out / "results.json").read_bytes()) == report


def test_shares_have_intervals_and_steps_their_time(run: tuple[LfwReport, Path]) -> None:
    report, _ = run
    table = render_lfw(report)
    rate = report.matching.recovered["ours, rotation"].other[0].whole
    assert f"{rate.value:.3f} ({rate.low:.3f}-{rate.high:.3f})" in table
    assert not re.search(r"\d \(\d+/\d+\)", table)
    assert list(report.seconds) == ["people", "pairs", "changed files"] and all(report.seconds.values())
    untimed = report.model_copy(update={"seconds": {"people": None, "pairs": 90.0}})
    assert "took     people not timed, pairs 1.5 min\n" in render_lfw(untimed)


def test_a_second_run_measures_nothing_again(
    run: tuple[LfwReport, Path], pair_folder: Path, parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    report, out = run

    def fail(*_: object) -> None:
        raise AssertionError("measured again")

    for name in ("measure_pairs", "measure_answers"):
        monkeypatch.setattr(lfw, name, fail)
    again = run_lfw(pair_folder, out, parts, DlibRecognizer(), CHOICES)
    left_out = {"cost": None}
    assert again.model_copy(update=left_out) == report.model_copy(update=left_out)


def test_another_number_of_lessons_trains_again_and_redefined_attacks_are_made_again(
    run: tuple[LfwReport, Path], pair_folder: Path, parts: Parts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[str] = []

    def attack(name: str) -> Attack:
        def once(_: Targets) -> Iterator[AttackFigures]:
            tried.append(name)
            yield counted(name, "signflip", "measure", [True])

        return once

    out = tmp_path / "lfw"
    shutil.copytree(run[1], out)
    monkeypatch.setattr(deanonymizer, "_CHANNELS", (32, 32))
    monkeypatch.setattr(deanonymizer, "_PASSES", 1)
    notes = []
    for names, lessons in ((("one", "two"), 2), (("one", "two, otherwise"), 3)):
        monkeypatch.setattr(lfw, "ATTACKS", {name: attack(name) for name in names})
        choices = replace(CHOICES, attacks=True, lessons=lessons)
        report = run_lfw(pair_folder, out, parts, DlibRecognizer(), choices)
        assert [figures.name for figures in report.attacks[:2]] == list(names)
        notes.append({figures.note for figures in report.attacks if figures.name == deanonymizer.NEARER})
        assert "comes nearer than its blind twin where nothing is hidden" in render_lfw(report)
    assert tried == ["one", "two", "two, otherwise"]
    assert [note.pop()[:8] for note in notes] == ["2 pairs ", "3 pairs "]
    assert len((out / "lessons-3.jsonl").read_text().splitlines()) == 1 + 3


def test_a_set_without_faces_is_an_error(tmp_path: Path, parts: Parts) -> None:
    (tmp_path / "set").mkdir()
    for name in ("Ann_0001", "Ann_0002", "Bob_0001", "Cal_0001"):
        (tmp_path / "set" / f"{name}.jpg").write_bytes(jpeg(np.full((64, 64, 3), 128, np.uint8)))
    (tmp_path / "set" / "pairs.tsv").write_text("fold\tsame\ta\tb\n1\t1\tAnn_0001.jpg\tAnn_0002.jpg\n")
    with pytest.raises(NoFaces):
        run_lfw(tmp_path / "set", tmp_path / "out", parts, DlibRecognizer(), CHOICES)
    assert not (tmp_path / "out" / "files").exists()
