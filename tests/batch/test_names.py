"""``visard batch``: one photo whose name cannot be used is no reason to stop, and no result takes another's place."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fsspec
import pytest

from service.batch.storage import Folder
from service.errors import FileUnusable, NameUnusable
from tests.batch.conftest import EVERYTHING, Bench

LONG = "x" * 296 + ".png"
"""An object store takes it; a folder does not."""


@pytest.fixture
def bucket(bench: Bench, photo: bytes) -> Iterator[Any]:
    """The bench reads from an object store and writes to a folder."""
    store = fsspec.filesystem("memory")
    for name in ("a.png", LONG, "y.png"):
        store.pipe_file(f"/bucket/{name}", photo)
    bench.source = Folder.open("memory://bucket")
    yield store
    store.rm("/bucket", recursive=True)


def _left(bench: Bench) -> list[str]:
    """Files in the destination."""
    out = bench.target.local
    assert out is not None
    return sorted(str(path.relative_to(out)) for path in out.rglob("*") if not path.is_dir())


def test_a_name_may_be_as_long_as_a_name_can_be(bench: Bench, source: Path, photo: bytes) -> None:
    name = "x" * 251 + ".png"
    (source / name).write_bytes(photo)
    bench.run()
    bench.is_whole(EVERYTHING | {name})
    assert _left(bench) == sorted(EVERYTHING | {name})


@pytest.mark.usefixtures("bucket")
def test_a_name_that_no_file_can_have_has_failed_and_leaves_no_record(bench: Bench) -> None:
    figures, _ = bench.run()
    assert (figures.anonymized, figures.failed, figures.undone) == (2, {"name-unusable": 1}, 0)
    assert bench.lines[LONG] == {**bench.lines[LONG], "status": "failed", "faces": 0}
    assert len(bench.records()) == 2
    assert _left(bench) == ["a.png", "y.png"]
    assert bench.run()[0].skipped == 3


@pytest.mark.usefixtures("bucket")
def test_a_run_that_ended_at_such_a_name_is_gone_on_with(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    real = Folder.write

    def write(folder: Folder, name: str, data: bytes) -> None:
        if name == LONG:
            raise KeyboardInterrupt
        real(folder, name, data)

    with monkeypatch.context() as patch:
        patch.setattr(Folder, "write", write)
        with pytest.raises(KeyboardInterrupt):
            bench.run()
    assert bench.run()[0].undone == 1
    assert {name: line["status"] for name, line in bench.lines.items()} == {
        "a.png": "anonymized", LONG: "failed", "y.png": "anonymized"
    }  # fmt: skip
    assert len(bench.records()) == 2


def test_what_has_the_name_of_a_result_may_be_no_file(bench: Bench, source: Path) -> None:
    out = bench.target.local
    assert out is not None
    (out / "a.png").mkdir(parents=True)
    (out / "below").write_text("a file")
    bench.run()
    assert {name: line.get("error") for name, line in bench.lines.items()} == {
        "a.png": "name-unusable", "b.png": None, "below/c.png": "name-unusable"
    }  # fmt: skip
    assert len(bench.records()) == 1
    assert _left(bench) == ["b.png", "below"]


@pytest.mark.parametrize("name", ["../x.png", "/x.png", "a//x.png", "./x.png", "a/../../x.png", "x\0.png"])
def test_a_name_never_leads_elsewhere(name: str, tmp_path: Path) -> None:
    folder = Folder.here(tmp_path / "out")
    (tmp_path / "x.png").write_bytes(b"mine")
    with pytest.raises(NameUnusable):
        folder.write(name, b"theirs")
    folder.remove(name)
    assert (tmp_path / "x.png").read_bytes() == b"mine"
    assert not Path("/x.png").exists()


def test_a_destination_that_is_no_folder_ends_the_run_and_fails_no_photo(bench: Bench, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("a file")
    bench.target = Folder.open(str(tmp_path / "file"))
    with pytest.raises(FileUnusable, match=r"\.png cannot be written"):
        bench.run()
    assert bench.lines == {}


def test_a_source_that_is_gone_keeps_its_result(bench: Bench, source: Path, photo: bytes) -> None:
    (source / "e.bmp.png").write_bytes(photo)
    bench.run()
    before = bench.target.read("e.bmp.png", 1 << 20)
    (source / "e.bmp.png").rename(source / "e.bmp")
    bench.run()
    assert bench.lines["e.bmp"]["error"] == "file-unusable"
    assert bench.target.read("e.bmp.png", 1 << 20) == before


def test_a_source_that_comes_later_does_not_take_a_result(bench: Bench, source: Path, photo: bytes) -> None:
    (source / "e.bmp").write_bytes(photo)
    bench.run()
    before = bench.target.read("e.bmp.png", 1 << 20)
    (source / "e.bmp.png").write_bytes(photo)
    bench.run()
    assert bench.lines["e.bmp.png"]["error"] == "file-unusable"
    assert bench.target.read("e.bmp.png", 1 << 20) == before
    assert len(bench.records()) == 4
