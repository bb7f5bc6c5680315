"""``visard batch``: what is listed is where the path says, and is not opened unless it is a file."""

import os
import socket
from itertools import islice
from pathlib import Path
from typing import Any

import fsspec
import pytest
from fsspec.implementations.memory import MemoryFileSystem

from service.batch.storage import Folder
from tests.batch.conftest import Bench
from tests.commands.visard import visard


def test_what_is_no_file_is_not_opened(bench: Bench, source: Path) -> None:
    os.mkfifo(source / "pipe.png")
    (source / "link.png").symlink_to("pipe.png")
    (source / "device.png").symlink_to("/dev/zero")
    (source / "folder.png").symlink_to("below")
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(source / "s.png"))
        figures, _ = bench.run()
    assert (figures.anonymized, figures.failed) == (3, {"file-unusable": 5})
    assert {line["message"] for line in bench.lines.values() if "message" in line} == {"this is no regular file"}


def test_a_folder_that_a_store_lists_in_itself_is_listed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    real = MemoryFileSystem.ls

    def ls(files: MemoryFileSystem, path: str, **options: Any) -> list[Any]:
        return [{"name": f"{path}/", "type": "directory", "size": 0}, *real(files, path, **options)]

    store = fsspec.filesystem("memory")
    store.pipe_file("/bucket/photos/below/a.png", b"")
    try:
        monkeypatch.setattr(MemoryFileSystem, "ls", ls)
        listed = Folder.open("memory://bucket/photos").photos()
        assert list(islice(listed, 2)) == ["below/a.png"]
    finally:
        monkeypatch.undo()
        store.rm("/bucket", recursive=True)


@pytest.mark.parametrize("prefix", ["", "file://"])
def test_colons_in_a_path_lead_nowhere_else(prefix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "2024::01"
    path.mkdir()
    (path / "a.png").touch()
    folder = Folder.open(f"{prefix}{path}/")
    assert (folder.local, [*folder.photos()]) == (path, ["a.png"])
    monkeypatch.chdir(tmp_path)
    assert Folder.open("2024::01").local == path


@pytest.mark.parametrize("before", [False, True])
@pytest.mark.usefixtures("at_home")
def test_a_source_without_photos_is_a_mistake(
    before: bool,
    source: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Also where a manifest says that there were some: what is mounted there may be away."""
    for photo in source.rglob("*.png"):
        photo.write_bytes(b"")
    if before:
        assert visard("batch", source, tmp_path / "out") == 2
        assert visard("batch", source, tmp_path / "out") == 0
    for photo in source.rglob("*.png"):
        photo.unlink()
    capsys.readouterr()
    assert visard("batch", source, tmp_path / "out", "--json") == 2
    said = capsys.readouterr()
    assert (said.out, said.err.splitlines()[-1]) == ("", "visard: there are no photos in the source")


def test_workers_are_of_a_cluster(source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert visard("batch", source, tmp_path / "out", "--workers", "2") == 2
    assert "--ray" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
