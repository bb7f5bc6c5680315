"""``visard batch``: what is listed is where the path says, and is not opened unless it is a file."""

import os
import socket
from pathlib import Path

import pytest

from service.batch.storage import Folder
from tests.batch.conftest import Bench


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


@pytest.mark.parametrize("prefix", ["", "file://"])
def test_colons_in_a_path_lead_nowhere_else(prefix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "2024::01"
    path.mkdir()
    (path / "a.png").touch()
    folder = Folder.open(f"{prefix}{path}/")
    assert (folder.local, [*folder.photos()]) == (path, ["a.png"])
    monkeypatch.chdir(tmp_path)
    assert Folder.open("2024::01").local == path
