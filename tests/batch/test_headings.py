"""``visard batch``: a manifest is about one source, one destination, one tenant and one kind of picture."""

import json
from dataclasses import replace
from pathlib import Path
from uuid import UUID

import pytest

from service.batch.manifest import Heading, Line, Manifest, Note
from service.batch.storage import Folder, _address
from service.errors import ManifestUnusable
from tests.batch.conftest import EVERYTHING, Bench
from tests.batch.stubs import DRAWN, Played
from tests.commands.visard import visard

_HEADING = Heading(source="/photos", destination="/public", tenant="demo", options={"coverage": "face", "depth": None})
_RECORD = UUID(int=1)
_LINE = Line(source="a.png", status="failed", error="fault", message="internal error")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Of a manifest with a line."""
    made = tmp_path / "manifest.jsonl"
    with Manifest.open(made, _HEADING) as opened:
        opened.add(_LINE)
    return made


def test_it_says_first_what_it_is_of(path: Path) -> None:
    first, second = map(json.loads, path.read_text().splitlines())
    assert first == {
        "batch": {
            "source": "/photos",
            "destination": "/public",
            "tenant": "demo",
            "options": {"coverage": "face", "depth": None},
        }
    }
    assert second["source"] == "a.png"
    with Manifest.open(path, _HEADING) as opened:
        assert opened.done == {"a.png"}


@pytest.mark.parametrize(
    ("other", "said"),
    [
        ({"source": "/others"}, "another source:"),
        ({"destination": "/others", "tenant": "other"}, "another destination, tenant:"),
        ({"options": {"coverage": "head", "depth": None}}, "another coverage:"),
        ({"options": {"coverage": "face", "depth": 16}}, "another depth:"),
    ],
)
def test_another_batch_does_not_go_on_with_it(path: Path, other: dict[str, object], said: str) -> None:
    before = path.read_bytes()
    with pytest.raises(ManifestUnusable, match=said), Manifest.open(path, replace(_HEADING, **other)):  # type: ignore[arg-type]
        raise AssertionError("unreachable")
    assert path.read_bytes() == before


def test_one_that_does_not_say_what_it_is_of_is_refused(path: Path) -> None:
    _, line = path.read_text().splitlines()
    path.write_text(f"{line}\n")
    with pytest.raises(ManifestUnusable, match="does not begin with"), Manifest.open(path, _HEADING):
        raise AssertionError("unreachable")


@pytest.mark.parametrize("lines", [1, 2])
def test_a_last_line_without_its_newline_is_a_line(path: Path, lines: int) -> None:
    whole = b"".join(path.read_bytes().splitlines(keepends=True)[:lines])
    path.write_bytes(whole[:-1])
    with Manifest.open(path, _HEADING) as opened:
        assert opened.done == ({"a.png"} if lines == 2 else set())
        opened.add(replace(_LINE, source="b.png"))
    assert path.read_bytes().startswith(whole)
    assert len(path.read_text().splitlines()) == lines + 1


def test_nothing_is_written_before_there_is_a_line(tmp_path: Path) -> None:
    for heading in (_HEADING, replace(_HEADING, tenant="other")):
        with Manifest.open(tmp_path / "manifest.jsonl", heading):
            assert (tmp_path / "manifest.jsonl").read_bytes() == b""


def test_a_note_without_its_manifest_takes_nothing_back(bench: Bench) -> None:
    with Manifest.open(bench.manifest, bench.heading) as opened:
        opened.note(Note(_RECORD, "hospital", bench.target.address, "a.png"))
    bench.target.write("a.png", b"committed")
    put_away = bench.manifest.rename(bench.manifest.with_name("away"))
    with pytest.raises(ManifestUnusable, match="note"):
        bench.run()
    assert bench.target.has("a.png")
    put_away.rename(bench.manifest)
    with bench.batch() as (batch, _):
        batch.run(Played(lambda *_: DRAWN))
    assert len(bench.lines) == 3


def test_a_manifest_may_be_put_away(bench: Bench) -> None:
    bench.run()
    bench.manifest.rename(bench.manifest.with_name("away"))
    figures, _ = bench.run()
    assert figures.anonymized == len(EVERYTHING)
    assert not figures.undone
    assert all(bench.target.has(name) for name in EVERYTHING)


def test_a_note_of_another_destination_is_refused(bench: Bench) -> None:
    with Manifest.open(bench.manifest, bench.heading) as opened:
        opened.note(Note(_RECORD, "hospital", "/elsewhere", "a.png"))
    with pytest.raises(ManifestUnusable, match="another destination"):
        bench.run()


@pytest.mark.parametrize(
    ("url", "root", "address"),
    [
        ("s3://bucket/photos/", "bucket/photos", "s3://bucket/photos"),
        ("S3://bucket", "bucket", "s3://bucket"),
        ("s3://bucket/a@b", "bucket/a@b", "s3://bucket/a@b"),
        ("ftp://user:word@host:21/a", "/a", "ftp://host:21/a"),
        ("sftp://user@host/a", "/a", "sftp://host/a"),
        ("abfs://container@account.dfs/a", "container/a", "abfs://account.dfs/container/a"),
        ("https://user:word@host/a?sig=word", "https://user:word@host/a?sig=word", "https://host/a"),
    ],
)
def test_an_address_holds_no_credentials(url: str, root: str, address: str) -> None:
    assert _address(url, root) == address


def test_a_folder_has_one_address_however_it_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    written = ("photos", "./photos/", f"{tmp_path}/photos", f"file://{tmp_path}/x/../photos")
    assert {Folder.open(each).address for each in written} == {f"{tmp_path}/photos"}
    assert Folder.open("memory://bucket/in/").address == "memory://bucket/in"


@pytest.mark.usefixtures("at_home")
def test_the_command_refuses_another_destination(
    source: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    for photo in source.rglob("*.png"):
        photo.write_bytes(b"")
    with_manifest = ("--manifest", tmp_path / "manifest.jsonl")
    assert visard("batch", source, tmp_path / "out", *with_manifest) == 2
    assert "3 failed" in capsys.readouterr().out
    assert visard("batch", "source", "./out/", *with_manifest) == 0
    assert "3 done before" in capsys.readouterr().out
    assert visard("batch", source, tmp_path / "other", *with_manifest) == 2
    assert "begun with another destination" in capsys.readouterr().err
    assert visard("batch", source, tmp_path / "out", *with_manifest, "--coverage", "head", "--depth", "8") == 2
    assert "begun with another coverage, depth" in capsys.readouterr().err
