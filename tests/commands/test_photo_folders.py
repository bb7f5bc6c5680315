"""``visard anonymize`` and ``visard recover`` over folders: nothing is lost, whatever the photos and the names are."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from sqlalchemy import create_engine, text

from service.errors import FilesUnavailable
from service.operations.anonymize import anonymize
from tests.commands.visard import visard

Photo = NDArray[np.uint8]


@pytest.fixture
def folder(tmp_path: Path, small_bundle: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Empty, as is everything else."""
    monkeypatch.setenv("VISARD_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("VISARD_WEIGHTS", str(small_bundle))
    photos = tmp_path / "photos"
    photos.mkdir()
    return photos


def records(tmp_path: Path) -> int:
    """How many there are."""
    database = create_engine(f"sqlite:///{tmp_path / 'home' / 'visard.db'}")
    with database.connect() as connection:
        count: int = connection.execute(text("SELECT count(*) FROM records")).scalar_one()
    database.dispose()
    return count


def names(out: Path) -> list[str]:
    return sorted(path.name for path in out.iterdir())


def test_no_result_takes_the_place_of_another(folder: Path, portrait: Photo) -> None:
    Image.fromarray(portrait).save(folder / "a.png")
    Image.fromarray(portrait[:, ::-1]).save(folder / "a.jpg", quality=95)
    Image.fromarray(portrait).save(folder / "a.bmp")
    out, back = folder.parent / "out", folder.parent / "back"
    assert visard("anonymize", folder, out) == 0
    assert names(out) == ["a.bmp.png", "a.jpg", "a.png"]
    assert visard("recover", out, back, "--reason", "test") == 0
    assert names(back) == ["a.bmp.png", "a.jpg.png", "a.png"]
    for name in ("a.png", "a.bmp.png"):
        assert np.array_equal(np.asarray(Image.open(back / name)), portrait)


def test_a_result_with_the_name_of_another_source_is_refused_and_leaves_no_record(
    folder: Path, portrait: Photo, capsys: pytest.CaptureFixture[str]
) -> None:
    Image.fromarray(portrait).save(folder / "e.bmp")
    Image.fromarray(portrait[:, ::-1]).save(folder / "e.bmp.png")
    assert visard("anonymize", folder, folder.parent / "out", "--json") == 2
    summary = json.loads(capsys.readouterr().out)
    assert [Path(failure["input"]).name for failure in summary["failed"]] == ["e.bmp"]
    assert "name of another source" in summary["failed"][0]["error"]
    assert names(folder.parent / "out") == ["e.bmp.png"]
    assert records(folder.parent) == 1


def test_a_failure_nobody_foresaw_is_one_photos_and_its_text_is_not_shown(
    folder: Path, portrait: Photo, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("a.png", "b.png"):
        Image.fromarray(portrait).save(folder / name)
    bad = (folder / "a.png").read_bytes() + b"bad"
    (folder / "a.png").write_bytes(bad)

    def fails(data: bytes, *more: Any) -> Any:
        if data == bad:
            raise RuntimeError("secret")
        return anonymize(data, *more)

    monkeypatch.setattr("service.commands.photos.anonymize_image", fails)
    assert visard("anonymize", folder, folder.parent / "out") == 1
    said = capsys.readouterr()
    assert "1 photos done, 1 failed" in said.out
    assert "RuntimeError" in said.err
    assert "secret" not in said.out + said.err


def test_no_record_stays_of_a_result_that_could_not_be_named(
    folder: Path, portrait: Photo, monkeypatch: pytest.MonkeyPatch
) -> None:
    Image.fromarray(portrait).save(folder / "a.bmp")

    def fails(*_: object) -> bool:
        raise FilesUnavailable("the folder does not answer")

    monkeypatch.setattr("service.commands.photos.Folder.has", fails)
    assert visard("anonymize", folder, folder.parent / "out") == 1
    assert records(folder.parent) == 0


def test_what_is_no_file_is_one_photos_failure(
    folder: Path, portrait: Photo, capsys: pytest.CaptureFixture[str]
) -> None:
    Image.fromarray(portrait).save(folder / "a.png")
    os.mkfifo(folder / "pipe.png")
    (folder / "link.png").symlink_to("pipe.png")
    out = folder.parent / "out"
    for command, *more in (("anonymize",), ("recover", "--reason", "test")):
        assert visard(command, folder, out, *more) != 0
        assert capsys.readouterr().err.count("no regular file") == 2
    assert names(out) == ["a.png"]


def test_a_name_may_be_as_long_as_a_name_can_be(folder: Path, portrait: Photo) -> None:
    name = "x" * 251 + ".png"
    Image.fromarray(portrait).save(folder / name)
    assert visard("anonymize", folder, folder.parent / "out") == 0
    assert names(folder.parent / "out") == [name]


@pytest.mark.parametrize(
    "arguments",
    [
        lambda photos: ("photos", photos / "out"),
        lambda photos: ("photos", photos.parent),
        lambda photos: (photos, photos.parent / "link" / "out"),
    ],
    ids=["inside", "above", "inside, through a link"],
)
def test_folders_within_one_another_are_refused(
    arguments: Callable[[Path], tuple[Any, Any]],
    folder: Path,
    portrait: Photo,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    Image.fromarray(portrait).save(folder / "a.png")
    (folder.parent / "link").symlink_to(folder)
    monkeypatch.chdir(folder.parent)
    for command, more in (("anonymize", ()), ("recover", ("--reason", "test")), ("batch", ())):
        assert visard(command, *arguments(folder), *more) == 2
        assert "in one another" in capsys.readouterr().err


def test_a_result_that_could_not_be_recovered_is_refused_and_leaves_no_record(
    folder: Path, portrait: Photo, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    photo, out = folder / "a.jpg", folder / "out.png"
    Image.fromarray(portrait).save(photo, quality=80)
    monkeypatch.setenv("VISARD_MAX_UPLOAD_BYTES", "30000")
    assert visard("anonymize", photo, out) == 2
    said = capsys.readouterr().err
    assert "VISARD_MAX_UPLOAD_BYTES" in said
    assert "JPEG" in said
    assert records(folder.parent) == 0
    assert not out.exists()


def test_the_limits_hold_on_the_command_line_too(
    folder: Path, portrait: Photo, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    photo = folder / "a.png"
    Image.fromarray(portrait).save(photo)
    for setting, word in (("VISARD_MAX_UPLOAD_BYTES", "bytes"), ("VISARD_MAX_PIXELS", "pixels")):
        with monkeypatch.context() as patch:
            patch.setenv(setting, "1000")
            assert visard("anonymize", photo, folder / "out.png") == 2
            assert visard("recover", photo, folder / "back.png", "--reason", "test") == 2
            assert capsys.readouterr().err.count(word) == 2


def test_a_photo_that_is_too_large_is_one_failure(
    folder: Path, portrait: Photo, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    Image.fromarray(portrait).save(folder / "b.png")
    with (folder / "a.png").open("wb") as sparse:
        sparse.truncate((64 << 20) + 1)
    assert visard("anonymize", folder, folder.parent / "out", "--json") == 2
    answer = json.loads(capsys.readouterr().out)
    assert [Path(image["input"]).name for image in answer["images"]] == ["b.png"]
    assert [failure["error"] for failure in answer["failed"]] == [
        "the file has more than the 67108864 bytes of VISARD_MAX_UPLOAD_BYTES"
    ]


@pytest.mark.parametrize("command", [("anonymize",), ("recover", "--reason", "test")])
def test_a_folder_without_photos_is_a_mistake(
    command: tuple[str, ...], folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "notes.txt").write_text("none here")
    assert visard(command[0], folder, folder.parent / "out", *command[1:]) == 2
    assert "there are no photos in" in capsys.readouterr().err
