"""``visard batch``: one committed result for each source, whatever happens in between."""

import io
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from sqlalchemy import create_engine, text

from service.assembly import open_parts
from service.batch.figures import Figures
from service.batch.manifest import Manifest
from service.batch.run import Batch
from service.batch.storage import Folder
from service.batch.work import Job, Lost, Outcome, Threads
from service.errors import EngineUnavailable, FileUnusable, ManifestUnusable
from service.operations.anonymize import AnonymizeRequest
from service.operations.parts import Parts
from service.operations.recover import RecoverRequest, recover
from service.settings import Settings
from service.tenancy import Policy
from tests.commands.visard import visard

TENANT = "hospital"
Line = dict[str, Any]


@pytest.fixture
def parts(tmp_path: Path, small_bundle: Path) -> Parts:
    made = open_parts(Settings(home=tmp_path / "home", weights=small_bundle))
    made.keys.create(TENANT)
    return made


@pytest.fixture
def photo(portrait: NDArray[np.uint8]) -> bytes:
    out = io.BytesIO()
    Image.fromarray(portrait).save(out, "PNG")
    return out.getvalue()


@pytest.fixture
def source(tmp_path: Path, photo: bytes) -> Path:
    """Three photos of the same face, one of them below."""
    folder = tmp_path / "source"
    (folder / "below").mkdir(parents=True)
    for name in ("a.png", "b.png", "below/c.png"):
        (folder / name).write_bytes(photo)
    return folder


@dataclass
class Scripted:
    """A crew of threads, of which some jobs are lost after they were drawn.

    Attributes:
        lost: how often the job of this source is still to be lost.
        tried: sources and nonces, in order.
    """

    threads: Threads
    lost: dict[str, int] = field(default_factory=dict)
    tried: list[tuple[str, bytes]] = field(default_factory=list)

    def work(self, jobs: Iterator[Job], at_once: int | None = None) -> Iterator[tuple[Job, Outcome]]:
        for job, outcome in self.threads.work(jobs, at_once):
            self.tried.append((job.source, job.new.nonce))
            if self.lost.get(job.source, 0) > 0:
                self.lost[job.source] -= 1
                yield job, Lost()
            else:
                yield job, outcome


class Breaks(Folder):
    """The process ends before the file is there, but after the record is."""

    def write(self, name: str, data: bytes) -> None:
        raise KeyboardInterrupt


@dataclass
class Bench:
    """Runs over one source, with one manifest."""

    parts: Parts
    source: Folder
    target: Folder
    manifest: Path

    @contextmanager
    def batch(self, target: Folder | None = None, **choices: Any) -> Iterator[tuple[Batch, Scripted]]:
        request = AnonymizeRequest(tenant=TENANT, no_faces="pass", **choices)
        with Manifest.open(self.manifest) as opened:
            batch = Batch(
                source=self.source,
                target=target or self.target,
                manifest=opened,
                tenant=TENANT,
                policy=Policy(),
                again=False,
                keys=self.parts.keys,
                records=self.parts.records,
                on_line=lambda _: None,
            )
            yield batch, Scripted(Threads(2, self.source, request, self.parts))

    def run(self, lost: dict[str, int] | None = None, **choices: Any) -> tuple[Figures, Scripted]:
        with self.batch(**choices) as (batch, crew):
            crew.lost = dict(lost or {})
            return batch.run(crew), crew

    @property
    def lines(self) -> dict[str, Line]:
        """By their sources, of which each has one."""
        lines = [json.loads(line) for line in self.manifest.read_text().splitlines()]
        assert len({line["source"] for line in lines}) == len(lines)
        return {line["source"]: line for line in lines}

    def records(self) -> set[str]:
        """Ids of all records in the database."""
        database = create_engine(f"sqlite:///{self.manifest.parent / 'home' / 'visard.db'}")
        with database.connect() as connection:
            found = {str(row.id).replace("-", "") for row in connection.execute(text("SELECT id FROM records"))}
        database.dispose()
        return found

    def is_whole(self, sources: set[str]) -> None:
        """Every source has one line, one file and one record, and no record has none of them."""
        lines = self.lines
        assert set(lines) == sources
        assert self.records() == {line["record"].replace("-", "") for line in lines.values()}
        assert all(self.target.has(line["output"]) for line in lines.values())


@pytest.fixture
def bench(parts: Parts, source: Path, tmp_path: Path) -> Bench:
    folders = Folder.open(str(source)), Folder.open(str(tmp_path / "out"))
    return Bench(parts, *folders, tmp_path / "manifest.jsonl")


EVERYTHING = {"a.png", "b.png", "below/c.png"}


def test_every_photo_gets_a_line_whatever_it_is(
    bench: Bench, source: Path, photo: bytes, parts: Parts, portrait: NDArray[np.uint8]
) -> None:
    Image.fromarray(np.zeros((64, 64, 3), np.uint8)).save(source / "nobody.bmp")
    (source / "broken.jpg").write_bytes(photo[:500])
    (source / "notes.txt").write_text("no photo")
    figures, _ = bench.run()
    lines = bench.lines
    assert {name: line["status"] for name, line in lines.items()} == {
        **dict.fromkeys(EVERYTHING, "anonymized"),
        "nobody.bmp": "no-faces",
        "broken.jpg": "failed",
    }
    assert (lines["broken.jpg"]["error"], lines["nobody.bmp"]["output"]) == ("image-damaged", "nobody.bmp.png")
    for name in EVERYTHING:
        made = bench.target.read(lines[name]["output"], 1 << 20)
        back = recover(made, RecoverRequest(tenant=TENANT, subject="t", reason="a test", record=None), parts)
        assert np.array_equal(np.asarray(Image.open(io.BytesIO(back.data))), portrait)
    summary = figures.summary()
    assert (summary["anonymized"], summary["passed_on"], summary["errors"]) == (3, 1, {"image-damaged": 1})
    sizes = [
        bench.target.files.size(f"{bench.target.root}/{line['output']}") for line in lines.values() if "output" in line
    ]
    assert summary["output_bytes_per_million"] == sum(sizes) * 1_000_000 // 4
    assert figures.record_bytes > 3 * 220 * 3


def test_a_second_run_does_what_is_new_and_nothing_else(bench: Bench, source: Path, photo: bytes) -> None:
    bench.run()
    before = {name: bench.target.read(name, 1 << 20) for name in EVERYTHING}
    (source / "d.png").write_bytes(photo)
    figures, crew = bench.run()
    assert [name for name, _ in crew.tried] == ["d.png"]
    assert (figures.skipped, figures.anonymized) == (3, 1)
    assert before == {name: bench.target.read(name, 1 << 20) for name in EVERYTHING}
    bench.is_whole(EVERYTHING | {"d.png"})


def test_work_that_is_lost_is_done_again_with_other_keys_and_committed_once(bench: Bench) -> None:
    figures, crew = bench.run(lost={"a.png": 1, "below/c.png": 2})
    nonces = [nonce for _, nonce in crew.tried]
    assert len(nonces) == len(set(nonces)) == 6
    assert figures.repeated == 3
    bench.is_whole(EVERYTHING)


def test_an_image_that_kills_whoever_works_on_it_is_given_up_and_the_others_are_done(bench: Bench) -> None:
    figures, _ = bench.run(lost={"b.png": 99})
    assert bench.lines["b.png"] == {**bench.lines["b.png"], "status": "failed", "error": "worker-lost"}
    assert (figures.anonymized, figures.failed) == (2, {"worker-lost": 1})


def test_a_process_that_ends_between_record_and_file_leaves_nothing_behind(bench: Bench) -> None:
    with bench.batch(Breaks(bench.target.files, bench.target.root)) as (batch, crew), pytest.raises(KeyboardInterrupt):
        batch.run(crew)
    orphan = bench.records()
    assert len(orphan) == 1
    assert bench.lines == {}
    figures, _ = bench.run()
    assert figures.undone == 1
    assert not orphan & bench.records()
    bench.is_whole(EVERYTHING)


def test_a_process_that_ends_between_file_and_line_leaves_nothing_behind(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def ends(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Manifest, "add", ends)
        with pytest.raises(KeyboardInterrupt):
            bench.run()
    assert [bench.target.has(name) for name in sorted(EVERYTHING)].count(True) == 1
    assert bench.run()[0].undone == 1
    bench.is_whole(EVERYTHING)


def test_a_commit_that_got_to_its_line_is_not_taken_back(bench: Bench) -> None:
    bench.run()
    assert bench.run()[0].undone == 0
    bench.is_whole(EVERYTHING)


def test_a_line_that_was_cut_off_is_done_again(bench: Bench) -> None:
    bench.run()
    whole = bench.manifest.read_bytes()
    bench.manifest.write_bytes(whole[:-20])
    figures, _ = bench.run()
    assert (figures.undone, figures.anonymized, figures.skipped) == (1, 1, 2)
    bench.is_whole(EVERYTHING)


def test_two_processes_do_not_work_on_one_manifest(bench: Bench) -> None:
    with bench.batch(), pytest.raises(ManifestUnusable), bench.batch():
        raise AssertionError("unreachable")


def test_what_was_anonymized_before_is_not_anonymized_again(bench: Bench, source: Path) -> None:
    bench.run()
    stripped = Image.open(io.BytesIO(bench.target.read("a.png", 1 << 20)))
    Image.fromarray(np.asarray(stripped)).save(source / "stripped.png")
    bench.run()
    assert bench.lines["stripped.png"]["error"] == "already-anonymized"


def test_two_sources_never_share_a_result(bench: Bench, source: Path, photo: bytes) -> None:
    for name in ("e.bmp", "e.bmp.png"):
        (source / name).write_bytes(photo)
    bench.run()
    assert bench.lines["e.bmp"]["error"] == "file-unusable"
    assert bench.lines["e.bmp.png"]["output"] == "e.bmp.png"


def test_an_engine_that_does_nothing_any_more_stops_the_run_and_fails_no_image(bench: Bench) -> None:
    class Idle:
        def work(self, jobs: Iterator[Job], at_once: int | None = None) -> Iterator[tuple[Job, Outcome]]:
            yield from ((job, Lost("it does not answer")) for job in jobs)

    with bench.batch() as (batch, _), pytest.raises(EngineUnavailable):
        batch.run(Idle())
    assert bench.lines == {}


def test_an_object_store(bench: Bench, photo: bytes) -> None:
    store = fsspec.filesystem("memory")
    store.pipe_file("/bucket/in/x/y.png", photo)
    bench.source, bench.target = Folder.open("memory://bucket/in"), Folder.open("memory://bucket/out")
    try:
        bench.run()
        bench.is_whole({"x/y.png"})
        assert store.cat_file("/bucket/out/x/y.png") != photo
    finally:
        store.rm("/bucket", recursive=True)


def test_no_such_store() -> None:
    with pytest.raises(FileUnusable):
        Folder.open("nosuchstore://bucket")


def test_a_message_of_an_unforeseen_error_is_not_passed_on(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("secret")

    monkeypatch.setattr("service.batch.work.draw", fail)
    bench.run()
    assert {line["error"] for line in bench.lines.values()} == {"fault"}
    assert "secret" not in bench.manifest.read_text()


def test_the_command(
    source: Path,
    tmp_path: Path,
    small_bundle: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("VISARD_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("VISARD_WEIGHTS", str(small_bundle))
    (source / "broken.png").write_bytes(b"")
    assert visard("batch", source, tmp_path / "out", "--json") == 2
    summary = json.loads(capsys.readouterr().out)
    assert (summary["anonymized"], summary["failed"]) == (3, 1)
    assert len((tmp_path / "out" / "manifest.jsonl").read_text().splitlines()) == 4
    assert visard("batch", source, tmp_path / "out") == 0
    said = capsys.readouterr().out
    assert "4 done before" in said
    assert visard("batch", source, source / "below" / "out") == 2
    assert visard("batch", source, "memory://bucket") == 2
    assert "--manifest" in capsys.readouterr().err
