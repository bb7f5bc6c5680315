"""``visard batch``: one committed result for each source, whatever happens in between."""

import io
import json
from collections.abc import Iterator
from pathlib import Path

import fsspec
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from service.batch.manifest import Manifest
from service.batch.storage import Folder
from service.batch.work import Job, Lost, Outcome
from service.errors import EngineUnavailable, FileUnusable, ManifestUnusable
from service.operations.parts import Parts
from service.operations.recover import RecoverRequest, recover
from tests.batch.conftest import EVERYTHING, Bench
from tests.commands.visard import visard
from tests.conftest import TENANT


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
    bench.threads = 1
    figures, _ = bench.run(lost={"b.png": 99})
    assert bench.lines["b.png"] == {**bench.lines["b.png"], "status": "failed", "error": "worker-lost"}
    assert (figures.anonymized, figures.failed) == (2, {"worker-lost": 1})


def test_a_commit_that_got_to_its_line_is_not_taken_back(bench: Bench) -> None:
    bench.run()
    assert bench.run()[0].undone == 0
    bench.is_whole(EVERYTHING)


def test_a_manifest_that_is_put_away_takes_nothing_with_it(bench: Bench) -> None:
    bench.run()
    assert not bench.manifest.with_name(f"{bench.manifest.name}.note").exists()
    before = bench.records()
    bench.manifest.rename(bench.manifest.with_name("done.jsonl"))
    assert bench.run()[0].undone == 0
    assert before <= bench.records()
    assert all(bench.target.has(name) for name in EVERYTHING)


def test_a_line_that_was_cut_off_is_done_again(bench: Bench) -> None:
    with pytest.MonkeyPatch.context() as patch:
        # The process ended before it got to that.
        patch.setattr(Manifest, "forget_note", lambda _: None)
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


@pytest.mark.usefixtures("at_home")
def test_the_command(
    source: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (source / "broken.png").write_bytes(b"")
    assert visard("batch", source, tmp_path / "out", "--json") == 2
    summary = json.loads(capsys.readouterr().out)
    assert (summary["anonymized"], summary["failed"]) == (3, 1)
    assert len((tmp_path / "out" / "manifest.jsonl").read_text().splitlines()) == 1 + 4
    assert visard("batch", source, tmp_path / "out") == 0
    said = capsys.readouterr().out
    assert "4 done before" in said
    assert visard("batch", source, source / "below" / "out") == 2
    assert visard("batch", source, "memory://bucket") == 2
    assert "--manifest" in capsys.readouterr().err
