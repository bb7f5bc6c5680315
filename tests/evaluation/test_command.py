"""``visard evaluate`` as it is called."""

import json
from pathlib import Path

import pytest

from service.errors import NoFaces
from service.evaluation import lfw
from service.evaluation.lfw import Choices
from service.evaluation.recognizers import Recognizer
from service.operations.parts import Parts
from tests.commands.visard import visard
from tests.evaluation.onnx_models import channel_means
from tests.small_bundle import RESOLUTION, write_small_bundle


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("VISARD_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("VISARD_WEIGHTS", str(write_small_bundle(tmp_path / "small")))
    return tmp_path / "home"


def test_realism_prints_json_alone_and_leaves_keys_nowhere(
    photo_folder: Path, tmp_path: Path, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    chosen = ("--data", photo_folder, "--out", tmp_path / "out", "--limit", 1, "--reference", 4)
    assert visard("evaluate", "realism", *chosen, "--json") == 0
    report = json.loads(capsys.readouterr().out)
    assert report["resolution"] == RESOLUTION and report["bundle"] == "small"
    assert json.loads((tmp_path / "out" / "realism.json").read_bytes()) == report
    assert not home.exists()


def test_the_game_prints_every_statistic_and_leaves_keys_nowhere(
    photo_folder: Path, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    chosen = ("--data", photo_folder, "--scenes", 1, "--trials", 4)
    assert visard("evaluate", "game", *chosen) == 0
    table = capsys.readouterr().out
    assert f"visard evaluate game --data {photo_folder.name} --scenes 1 --trials 4 --seed 1" in table
    assert "4 trials in 1 scenes" in table and "\n  record length" in table
    assert not home.exists()


@pytest.mark.parametrize(
    ("arguments", "said"), [(["--trials", "5"], "even"), (["--scenes", "9"], "9 scenes need 27 photos")]
)
def test_a_game_that_cannot_be_played(
    photo_folder: Path, arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert visard("evaluate", "game", "--data", photo_folder, *arguments) == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [(["--lessons", "9"], "--attacks"), (["--limit", "0"], "--limit"), (["--onnx", "nowhere.onnx"], "nowhere.onnx")],
)
def test_lfw_refuses_choices_that_make_no_sense(
    tmp_path: Path, arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert visard("evaluate", "lfw", "--data", tmp_path, *arguments) == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ([], ""),
        (["--attacks"], " --attacks"),
        (["--attacks", "--lessons", 2], " --attacks --lessons 2"),
        (["--onnx-order", "bgr"], " --onnx means.onnx --onnx-order bgr"),
    ],
)
def test_lfw_reports_its_command_as_it_was(
    given: list[object], said: str, pair_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def stop(_data: Path, _out: Path, _parts: Parts, _recognizer: Recognizer, choices: Choices) -> None:
        asked.append(choices.command)
        raise NoFaces("enough")

    monkeypatch.setattr(lfw, "run_lfw", stop)
    (tmp_path / "means.onnx").write_bytes(channel_means(112))
    onnx = ["--onnx", tmp_path / "means.onnx"] if "onnx" in said else []
    assert visard("evaluate", "lfw", "--data", pair_folder, "--limit", 9, "--seed", 4, *onnx, *given) == 2
    assert asked == [f"visard evaluate lfw --data {pair_folder.name} --limit 9 --people 600 --seed 4{said}"]


def test_lfw_without_pairs_is_bad_input(tmp_path: Path, photo_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert visard("evaluate", "lfw", "--data", photo_folder, "--out", tmp_path / "out") == 2
    assert capsys.readouterr().err == "visard: there is no pairs.tsv in the data\n"
