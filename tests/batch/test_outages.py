"""A folder or store that is away for a moment is no failure of a photo."""

import os
import resource
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fsspec.implementations.local import LocalFileSystem

from service.batch import patience
from service.batch.manifest import Line, Manifest
from service.batch.storage import Folder
from service.errors import FilesUnavailable, FileUnusable, Unavailable
from tests.batch.conftest import EVERYTHING, Bench
from tests.commands.visard import visard

# Stores raise errors of kinds of their own.
AWAY = (OSError(5, "Input/output error"), RuntimeError("no endpoint at 10.0.0.1"))


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "_PAUSES_S", (0.0, 0.0, 0.0))


class Away:
    """Does what comes instead of the first calls of something, so often, and then what it always did."""

    def __init__(self, patch: pytest.MonkeyPatch, owner: type, name: str, instead: Callable[[], None]) -> None:
        self.left = 0
        real = getattr(owner, name)

        def call(*arguments: Any, **options: Any) -> Any:
            if self.left > 0:
                self.left -= 1
                instead()
            return real(*arguments, **options)

        patch.setattr(owner, name, call)


def _raises(error: Exception) -> Callable[[], None]:
    def raising() -> None:
        raise error

    return raising


@pytest.mark.parametrize("error", AWAY)
@pytest.mark.usefixtures("at_home")
def test_the_command_fails_no_photo_and_the_next_one_does_them(
    error: Exception,
    source: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    away = Away(monkeypatch, LocalFileSystem, "open", _raises(error))
    away.left = 1000
    assert visard("batch", source, tmp_path / "out") == 1
    said = capsys.readouterr().err
    assert "photos left for another run: 3 " in said
    assert "10.0.0.1" not in said
    assert (tmp_path / "out" / "manifest.jsonl").read_bytes() == b""
    away.left = 0
    assert visard("batch", source, tmp_path / "out") == 0
    assert "3 anonymized" in capsys.readouterr().out


def test_a_moment_is_waited_for(bench: Bench, source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (source / "b.png").rename(source / "b.bmp")
    for owner, operation in ((Folder, "_entries"), (LocalFileSystem, "info"), (LocalFileSystem, "open")):
        Away(monkeypatch, owner, operation, _raises(AWAY[1])).left = 1
    figures, _ = bench.run()
    assert (figures.anonymized, figures.repeated) == (3, 0)


def test_a_folder_that_is_gone_is_not_photos_that_are_gone(
    bench: Bench, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is mounted at a folder leaves an empty folder when it goes."""

    def unmounted() -> None:
        source.rename(elsewhere)
        source.mkdir()

    elsewhere = source.with_name("elsewhere")
    Away(monkeypatch, LocalFileSystem, "open", unmounted).left = 1
    # Whoever comes to it first: the one who lists, or those who read.
    with pytest.raises(Unavailable, match="not there, or empty"):
        bench.run()
    assert bench.lines == {}
    source.rmdir()
    elsewhere.rename(source)
    assert bench.run()[0].anonymized == 3
    bench.is_whole(EVERYTHING)


def test_one_file_that_is_not_there_has_failed(bench: Bench, source: Path) -> None:
    (source / "dangling.png").symlink_to("nowhere")
    (source / "circle.png").symlink_to("circle.png")
    figures, _ = bench.run()
    assert (figures.anonymized, figures.failed) == (3, {"file-unusable": 2})


def test_two_sources_do_not_share_a_result_while_nobody_can_tell(
    bench: Bench, source: Path, photo: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("e.bmp", "e.bmp.png"):
        (source / name).write_bytes(photo)
    real = LocalFileSystem.info

    def info(self: LocalFileSystem, path: str | os.DirEntry[str], **options: Any) -> Any:
        if isinstance(path, str) and path.endswith("e.bmp.png"):
            raise AWAY[0]
        return real(self, path, **options)

    with monkeypatch.context() as patch:
        patch.setattr(LocalFileSystem, "info", info)
        with pytest.raises(FilesUnavailable):
            bench.run()
    assert "e.bmp" not in bench.lines
    bench.run()
    assert bench.lines["e.bmp"]["error"] == "file-unusable"


@pytest.mark.parametrize("error", AWAY)
def test_a_result_that_cannot_be_written_now_is_written_later(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    away = Away(monkeypatch, Path, "mkdir", _raises(error))
    with bench.batch() as (batch, crew):
        away.left = 4
        with pytest.raises(FilesUnavailable):
            batch.run(crew)
    assert bench.lines == {}
    with bench.batch() as (batch, crew):
        away.left = 3
        assert batch.run(crew).undone == 1
    bench.is_whole(EVERYTHING)


@pytest.mark.usefixtures("at_home")
def test_a_disk_that_is_full_is_an_outage_and_what_was_cut_off_is_written_again(
    source: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for photo in source.rglob("*.png"):
        photo.write_bytes(b"")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    manifest = tmp_path / "out" / "manifest.jsonl"

    def full(opened: Manifest, line: Line) -> None:
        if opened.done:
            resource.setrlimit(resource.RLIMIT_FSIZE, (manifest.stat().st_size + 10, limits[1]))
        real(opened, line)

    real = Manifest.add
    try:
        with monkeypatch.context() as patch:
            patch.setattr(Manifest, "add", full)
            code = visard("batch", source, tmp_path / "out")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert code == 1
    assert "visard: the manifest cannot be written\n" in capsys.readouterr().err
    assert not manifest.read_bytes().endswith(b"\n")
    assert visard("batch", source, tmp_path / "out") == 2
    assert "2 failed, 1 done before" in capsys.readouterr().out


def test_a_store_that_cannot_be_reached_is_no_store_that_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    for error, said in ((AWAY[1], FilesUnavailable), (ImportError("s3fs"), FileUnusable)):
        monkeypatch.setattr("fsspec.core.url_to_fs", lambda _, error=error: _raises(error)())
        with pytest.raises(said):
            Folder.open("s3://bucket")
