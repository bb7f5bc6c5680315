"""``visard batch``: what object stores say, and folders that cannot be listed."""

import errno
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fsspec
import pytest
from fsspec.implementations.local import LocalFileSystem
from fsspec.implementations.memory import MemoryFileSystem

from service.batch import patience, run
from service.batch.manifest import Manifest
from service.batch.storage import Folder
from service.errors import FilesUnavailable, FileUnusable, NameUnusable, VisardError
from tests.batch.conftest import EVERYTHING, Bench
from tests.batch.stubs import DRAWN, Played, drawn_and_kept
from tests.commands.visard import visard


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "_PAUSES_S", (0.0,))


@pytest.fixture
def store() -> Iterator[Any]:
    made = fsspec.filesystem("memory")
    made.pipe_file("/bucket/photos/a.png", b"")
    yield made
    made.rm("/bucket", recursive=True)


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (OSError(errno.ENAMETOOLONG, "KeyTooLongError"), NameUnusable),
        (OSError(errno.EINVAL, "Invalid object name"), NameUnusable),
        (ValueError("bad key"), NameUnusable),
        (UnicodeEncodeError("utf-8", "\udcff", 0, 1, "surrogates not allowed"), NameUnusable),
        (IsADirectoryError(errno.EISDIR, "a folder"), NameUnusable),
        (PermissionError("ExpiredToken"), FilesUnavailable),
        (RuntimeError("no endpoint"), FilesUnavailable),
        (OSError(errno.EIO, "SlowDown"), FilesUnavailable),
        (FileNotFoundError("no such bucket"), FileUnusable),
    ],
)
def test_a_name_that_a_store_refuses_is_not_a_store_that_refuses(
    store: Any, error: Exception, said: type[VisardError], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise error

    monkeypatch.setattr(MemoryFileSystem, "pipe_file", refuse)
    with pytest.raises(VisardError) as caught:
        Folder.open("memory://bucket/photos").write("b.png", b"")
    assert type(caught.value) is said


@pytest.mark.usefixtures("store")
def test_one_name_that_a_store_refuses_is_one_photo(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse_one(operation: str) -> None:
        real = getattr(MemoryFileSystem, operation)

        def call(files: Any, path: str, *more: Any, **options: Any) -> None:
            if path.endswith("b.png"):
                raise OSError(errno.ENAMETOOLONG, "KeyTooLongError")
            real(files, path, *more, **options)

        monkeypatch.setattr(MemoryFileSystem, operation, call)

    refuse_one("pipe_file")
    refuse_one("rm_file")
    bench.target = Folder.open("memory://bucket/out")
    with bench.batch() as (batch, _):
        assert batch.run(Played(lambda *_: drawn_and_kept())).failed == {"name-unusable": 1}
    assert bench.lines["b.png"]["status"] == "failed"
    assert bench.target.has("a.png")
    assert bench.records() == {line["record"].replace("-", "") for line in bench.lines.values() if "record" in line}
    with Manifest.open(bench.manifest, bench.heading) as opened:
        assert opened.unfinished is None


@pytest.mark.usefixtures("store")
def test_a_store_that_takes_no_name_at_all_ends_the_run(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise OSError(errno.EINVAL, "InvalidRequest")

    monkeypatch.setattr(MemoryFileSystem, "pipe_file", refuse)
    monkeypatch.setattr(run, "_HOPELESS", 2)
    bench.target = Folder.open("memory://bucket/out")
    crew = Played(lambda *_: DRAWN)
    with bench.batch() as (batch, _), pytest.raises(FileUnusable, match="whatever its name"):
        batch.run(crew)
    assert len(bench.lines) == 2


def _refuse_below(patch: pytest.MonkeyPatch) -> None:
    real = Folder._entries

    def entries(folder: Folder, path: str) -> Any:
        if path.endswith("/below"):
            raise PermissionError(errno.EACCES, "Permission denied")
        return real(folder, path)

    patch.setattr(Folder, "_entries", entries)


def test_a_folder_below_that_cannot_be_listed_is_left_out_and_told(bench: Bench) -> None:
    with pytest.MonkeyPatch.context() as patch, bench.batch() as (batch, _):
        _refuse_below(patch)
        figures = batch.run(Played(lambda *_: DRAWN))
    assert (figures.unlisted, figures.anonymized, bench.unlisted) == (1, 2, ["below"])
    with bench.batch() as (batch, _):
        figures = batch.run(Played(lambda *_: DRAWN))
    assert (figures.unlisted, figures.skipped, figures.anonymized) == (0, 2, 1)
    assert set(bench.lines) == EVERYTHING


def test_a_folder_below_is_not_left_out_once_all_are_away(bench: Bench, source: Path) -> None:
    listed = bench.source.photos(lambda *_: pytest.fail("it is left out"))
    assert next(listed) == "a.png"
    source.rename(source.with_name("elsewhere"))
    with pytest.raises(VisardError):
        list(listed)


def test_folders_of_the_folder_commands_are_all_listed_or_none(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    _refuse_below(monkeypatch)
    with pytest.raises(FileUnusable):
        list(bench.source.photos())


def test_nothing_is_asked_about_the_files_of_this_machine(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ls", "info"):
        monkeypatch.setattr(LocalFileSystem, name, lambda *_, **__: pytest.fail("every file is looked at"))
    assert list(bench.source.photos()) == ["a.png", "b.png", "below/c.png"]


def test_a_listing_is_forgotten_once_it_was_read(store: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    store.pipe_file("/bucket/photos/below/b.png", b"")
    forgotten: list[str | None] = []
    monkeypatch.setattr(MemoryFileSystem, "invalidate_cache", lambda _, path=None: forgotten.append(path))
    assert list(Folder.open("memory://bucket/photos").photos()) == ["a.png", "below/b.png"]
    assert forgotten == ["/bucket/photos", "/bucket/photos/below"]


@pytest.fixture
def broken(source: Path, tmp_path: Path, small_bundle: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of files that are no photos."""
    monkeypatch.setenv("VISARD_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("VISARD_WEIGHTS", str(small_bundle))
    for photo in source.rglob("*.png"):
        photo.write_bytes(b"")
    return source


def test_the_command_tells_of_a_folder_that_it_left_out(
    broken: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with monkeypatch.context() as patch:
        _refuse_below(patch)
        assert visard("batch", broken, tmp_path / "out") == 1
        said = capsys.readouterr()
        assert "1 folders left out" in said.out
        assert "visard: below: the folder is left out" in said.err
    assert visard("batch", broken, tmp_path / "out") == 2


def test_without_a_terminal_a_line_now_and_then_says_how_far_it_is(
    broken: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("service.commands.batch._MINUTE_S", 0)
    assert visard("batch", broken, tmp_path / "out", "--json") == 2
    said = capsys.readouterr()
    assert "visard: 0 anonymized, 0 passed on, 3 failed" in said.err
    assert said.out.count("\n") == 1
    monkeypatch.undo()


def test_a_run_that_does_not_come_to_its_end_says_what_it_did(
    broken: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    real = Folder._entries

    def entries(folder: Folder, path: str) -> Any:
        if path.endswith("/below"):
            broken.rename(broken.with_name("elsewhere"))
        return real(folder, path)

    monkeypatch.setattr(Folder, "_entries", entries)
    assert visard("batch", broken, tmp_path / "out", "--threads", "1") == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert "0 anonymized (0 faces), 0 without faces passed on, 2 failed" in said.err
