"""A file is replaced as a whole, whatever its name is, and what a crash left behind goes with the next write."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from service.private_files import replace_durably

_LONGEST = 255
_CRASH = """
import os, sys
from pathlib import Path
from service.private_files import replace_durably
Path.replace = lambda *_: os._exit(7)
replace_durably(Path(sys.argv[1]), b"secret")
"""

NAMES = ["a.json", "x" * 128, "x" * 129, "ä" * 127 + "x", "x" * _LONGEST]


@pytest.mark.parametrize("name", NAMES, ids=len)
def test_any_name_that_a_file_can_have(name: str, tmp_path: Path) -> None:
    for content in (b"first", b"second"):
        replace_durably(tmp_path / name, content)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {name: b"second"}


@pytest.mark.parametrize("name", NAMES, ids=len)
def test_what_a_crash_left_is_gone_with_the_next_write(name: str, tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", _CRASH, str(tmp_path / name)], check=False)
    assert done.returncode == 7
    (left,) = tmp_path.iterdir()
    assert left.name.startswith(".") and left.read_bytes() == b"secret"
    replace_durably(tmp_path / name, b"fine")
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_long_names_that_begin_alike_do_not_meet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fresh: list[str] = []
    real = os.open

    def opened(path: Path, *more: int) -> int:
        fresh.append(str(path))
        return real(path, *more)

    monkeypatch.setattr(os, "open", opened)
    for end in "ab":
        replace_durably(tmp_path / ("x" * 254 + end), b"")
    assert len({path for path in fresh if path.endswith(".new")}) == 2


def test_a_write_that_fails_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "taken").mkdir()
    with pytest.raises(IsADirectoryError):
        replace_durably(tmp_path / "taken", b"secret")
    assert [path.name for path in tmp_path.iterdir()] == ["taken"]
