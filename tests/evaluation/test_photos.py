"""Choosing photos: of folders and archives, one per person, the same for the same seed."""

import io
import tarfile
from pathlib import Path

import pytest

from service.errors import FileUnusable
from service.evaluation.photos import choose_photos

FILES = {f"set/{person}_{i:04}.jpg": f"{person}{i}".encode() for person in ("Ann", "Bob_B", "Cy") for i in (1, 2, 3)}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, data in FILES.items():
        path = tmp_path / "folder" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    (tmp_path / "folder" / "pairs.tsv").write_text("no photo")
    return tmp_path / "folder"


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    path = tmp_path / "set.tar"
    with tarfile.open(path, "w") as tar:
        for name, data in {**FILES, "set/pairs.tsv": b"no photo"}.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return path


def test_one_photo_of_each_person(folder: Path) -> None:
    chosen = choose_photos(folder, 10, seed=0)
    assert sorted(photo.name.rsplit("_", 1)[0] for photo in chosen) == ["Ann", "Bob_B", "Cy"]
    assert all(photo.data == FILES[f"set/{photo.name}.jpg"] for photo in chosen)


def test_archive_and_folder_give_the_same(folder: Path, archive: Path) -> None:
    assert choose_photos(folder, 2, seed=5) == choose_photos(archive, 2, seed=5)


def test_the_seed_decides(folder: Path) -> None:
    orders = {tuple(photo.name for photo in choose_photos(folder, 2, seed)) for seed in range(20)}
    assert len(orders) > 5
    assert choose_photos(folder, 2, 1) == choose_photos(folder, 2, 1) == choose_photos(folder, 3, 1)[:2]


def test_archive_below_a_folder_is_read(archive: Path) -> None:
    assert len(choose_photos(archive.parent, 10, 0)) == 3


def test_nothing_to_read_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "broken.tar").write_bytes(b"no archive" * 100)
    for data in (tmp_path / "missing", tmp_path / "broken.tar"):
        with pytest.raises(FileUnusable):
            choose_photos(data, 1, 0)
    (tmp_path / "broken.tar").unlink()
    with pytest.raises(FileUnusable):
        choose_photos(tmp_path, 1, 0)
