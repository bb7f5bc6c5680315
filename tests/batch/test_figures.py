"""``visard batch``: the figures at the end, and what is passed on without faces."""

import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from service.batch.figures import Figures
from service.batch.manifest import Line
from service.commands.batch import _report
from tests.batch.conftest import Bench


@pytest.fixture
def figures(monkeypatch: pytest.MonkeyPatch) -> Figures:
    """Of four sources in a minute."""
    made = Figures(since=0.0)
    monkeypatch.setattr("service.batch.figures.time.perf_counter", lambda: 60.0)
    made.count(Line(source="a", status="anonymized", output="a", record="1", faces=2, bytes=3_000_000), 700)
    made.count(Line(source="b", status="anonymized", output="b", record="2", faces=1, bytes=1_000_000), 500)
    made.count(Line(source="c", status="no-faces", output="c", bytes=2_000_000), 0)
    made.count(Line(source="d", status="failed", error="image-damaged", message="damaged"), 0)
    return made


def test_rates_and_sizes(figures: Figures) -> None:
    summary = figures.summary()
    assert summary["images_per_hour"] == 4 * 60
    assert summary["output_bytes_per_million"] == 2_000_000 * 1_000_000
    assert summary["record_bytes_per_million"] == 400 * 1_000_000
    assert (summary["anonymized"], summary["passed_on"], summary["failed"], summary["faces"]) == (2, 1, 1, 3)


def test_nothing_has_no_rate() -> None:
    summary = Figures().summary()
    assert {summary[name] for name in summary if name.endswith(("hour", "million"))} == {None}


def test_what_is_printed(figures: Figures, capsys: pytest.CaptureFixture[str]) -> None:
    assert _report(figures, Path("done.jsonl"), as_json=False) == 2
    assert capsys.readouterr().out.splitlines() == [
        "2 anonymized (3 faces), 1 without faces passed on, 1 failed, 0 done before (60.0 s)",
        "  image-damaged: 1",
        "240 images per hour",
        "a million images: 2000.00 GB of results, 0.40 GB of records in the database",
        "manifest: done.jsonl",
    ]
    assert _report(figures, Path("done.jsonl"), as_json=True) == 2
    assert json.loads(capsys.readouterr().out) == {**figures.summary(), "manifest": "done.jsonl"}


def test_a_photo_without_faces_keeps_its_pixels_and_nothing_else(bench: Bench, source: Path) -> None:
    for path in source.rglob("*.png"):
        path.unlink()
    pixels = np.random.default_rng(0).integers(0, 40, (64, 80, 3), np.uint8)
    exif = Image.Exif()
    exif[0x010F] = "the maker"
    exif.get_ifd(0x8825)[1] = "N"
    Image.fromarray(pixels).save(source / "nobody.png", exif=exif)
    assert b"the maker" in (source / "nobody.png").read_bytes()
    figures, _ = bench.run()
    assert (figures.passed_on, figures.record_bytes, bench.records()) == (1, 0, set())
    made = bench.target.read("nobody.png", 1 << 20)
    opened = Image.open(io.BytesIO(made))
    assert np.array_equal(np.asarray(opened), pixels)
    assert not opened.getexif() and b"the maker" not in made and b"eXIf" not in made
