"""The key that hashes tokens: made once, private, never silently replaced."""

import stat
from pathlib import Path
from threading import Thread

import pytest

from service.access.pepper import read_or_make_pepper
from service.errors import PepperUnusable


def test_it_is_made_once_and_private(tmp_path: Path) -> None:
    path = tmp_path / "token-pepper"
    made = read_or_make_pepper(path)
    assert len(made) == 32
    assert read_or_make_pepper(path) == made
    assert [stat.S_IMODE(file.stat().st_mode) for file in tmp_path.iterdir()] == [0o600]
    assert read_or_make_pepper(tmp_path / "another") != made


def test_all_who_make_it_at_once_get_the_same(tmp_path: Path) -> None:
    got: list[bytes] = []
    threads = [Thread(target=lambda: got.append(read_or_make_pepper(tmp_path / "token-pepper"))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(got) == 8
    assert len(set(got)) == 1
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize("content", [b"", bytes(31), bytes(33)])
def test_a_damaged_one_is_refused_and_left_alone(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "token-pepper"
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(PepperUnusable, match="damaged"):
        read_or_make_pepper(path)
    assert path.read_bytes() == content


def test_one_that_others_can_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "token-pepper"
    read_or_make_pepper(path)
    path.chmod(0o640)
    with pytest.raises(PepperUnusable, match="other users"):
        read_or_make_pepper(path)


def test_a_link_or_a_missing_directory_is_refused_without_its_path(tmp_path: Path) -> None:
    read_or_make_pepper(tmp_path / "elsewhere")
    (tmp_path / "token-pepper").symlink_to("elsewhere")
    for path in (tmp_path / "token-pepper", tmp_path / "missing" / "token-pepper"):
        with pytest.raises(PepperUnusable) as caught:
            read_or_make_pepper(path)
        assert str(tmp_path) not in str(caught.value)
