"""``visard train`` and ``visard bundle make``: which photos are read."""

import io
import tarfile
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from service.training.config import TrainConfig
from service.training.faceset import FaceSet
from tests.commands.visard import visard


@pytest.fixture
def photo(portrait: NDArray[np.uint8]) -> bytes:
    out = io.BytesIO()
    Image.fromarray(portrait).save(out, "PNG")
    return out.getvalue()


def _archive(path: Path, files: dict[str, bytes]) -> Path:
    with tarfile.open(path, "w") as tar:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return path


def test_train_says_which_photos_it_reads(
    photo: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    trained: list[list[str]] = []

    def run(config: TrainConfig, faces: FaceSet, out: Path, **_: object) -> int:
        trained.append(sorted(faces.names))
        return config.images

    monkeypatch.setattr("service.training.run.train", run)
    archive = _archive(tmp_path / "mine.tar", {"mine/1.png": photo})
    folder = tmp_path / "photos"
    folder.mkdir()
    (folder / "2.png").write_bytes(photo)
    assert visard("train", "--data", archive, "--data", folder, "--out", tmp_path / "run") == 0
    assert trained == [["2.png", "mine/1.png"]]
    assert capsys.readouterr().out.startswith(f"photos: 1 of {archive}\nphotos: 1 of {folder}\ntrained on ")


@pytest.mark.parametrize("command", ["train", "bundle make"])
def test_photos_for_evaluation_are_refused(command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _archive(tmp_path / "lfw-eval.tar", {"lfw/a.jpg": b"photo", "lfw/pairs.tsv": b"fold"})
    options = {
        "train": ["--out", tmp_path / "run"],
        "bundle make": ["--run", tmp_path, "--out", tmp_path / "bundle", "--name", "mine"],
    }
    assert visard(*command.split(), "--data", tmp_path, *options[command]) == 2
    assert "lfw-eval.tar is for evaluation" in capsys.readouterr().err
