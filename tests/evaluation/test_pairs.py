"""Labelled pairs, read from an archive and from folders."""

import io
import tarfile
from pathlib import Path

import pytest

from service.errors import FileUnusable
from service.evaluation.pairs import Pair, load_pairs

TABLE = (
    "fold\tsame\ta\tb\n"
    "1\t1\tAda_0001.jpg\tAda_0002.jpg\n"
    "1\t1\tAda_0001.jpg\tAda_0003.jpg\n"
    "1\t1\tBob_0001.jpg\tBob_0002.jpg\n"
    "1\t0\tAda_0001.jpg\tEve_0001.jpg\n"
)
FILES = {
    "lfw/pairs.tsv": TABLE.encode(),
    **{
        f"lfw/{n}.jpg": n.encode()
        for n in ("Ada_0001", "Ada_0002", "Ada_0003", "Bob_0001", "Eve_0001", "Eve_0002", "Ian_0001")
    },
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, data in FILES.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(data)
    return tmp_path


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    path = tmp_path / "set" / "data.tar"
    path.parent.mkdir()
    with tarfile.open(path, "w") as tar:
        for name, data in FILES.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return path


def test_archive_and_folders_hold_the_same_pairs(folder: Path, archive: Path) -> None:
    assert load_pairs(archive) == load_pairs(archive.parent)
    assert load_pairs(folder / "lfw").same == load_pairs(archive).same
    assert load_pairs(archive).photo("Ada_0002.jpg").data == b"Ada_0002"


def test_pairs_of_different_people_only_and_each_person_once(archive: Path) -> None:
    pairs = load_pairs(archive)
    assert Pair("Ada_0001.jpg", "Eve_0001.jpg") not in pairs.same
    for seed in range(5):
        assert sorted(pair.person for pair in pairs.chosen(9, seed)) == ["Ada", "Bob"]
        assert pairs.chosen(1, seed) == pairs.chosen(9, seed)[:1]
    assert len({tuple(pairs.chosen(9, seed)) for seed in range(20)}) > 2


def test_others_are_people_who_are_in_no_pair_one_photo_each(archive: Path) -> None:
    pairs = load_pairs(archive)
    others = [photo.name for photo in pairs.others(["Ada", "Bob"], 9, 1)]
    assert sorted(name[:3] for name in others) == ["Eve", "Ian"]
    assert [photo.name for photo in pairs.others(["Ada", "Bob"], 1, 1)] == others[:1]


def test_what_cannot_be_used_is_refused(folder: Path, archive: Path) -> None:
    with pytest.raises(FileUnusable, match="Bob_0002"):
        load_pairs(archive).photo("Bob_0002.jpg")
    for table in (b"a\tb\nx\ty\n", b"fold\tsame\ta\tb\n1\t0\tx\ty\n", b"\xff\xfe"):
        (folder / "lfw" / "pairs.tsv").write_bytes(table)
        with pytest.raises(FileUnusable):
            load_pairs(folder / "lfw")
    (folder / "lfw" / "pairs.tsv").unlink()
    for data in (folder / "lfw", folder / "missing"):
        with pytest.raises(FileUnusable):
            load_pairs(data)
