"""``visard bench`` counts right; how fast anything is, it may say what it likes."""

import json
from pathlib import Path

import pytest

from service.evaluation.bench import BenchReport
from service.evaluation.bench_table import render_bench
from service.operations import anonymize
from service.weights import bundles
from tests.analytic import closed_form
from tests.commands.visard import visard


@pytest.fixture
def home(tmp_path: Path, small_bundle: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(bundles, "_load", closed_form)
    # What the closed form draws is no face to the detector: chance would say how often it is drawn again.
    monkeypatch.setattr(anonymize, "look_again", lambda _pixels, boxes, *_: [True] * len(boxes))
    monkeypatch.setenv("VISARD_WEIGHTS", str(small_bundle))
    monkeypatch.setenv("VISARD_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def test_what_is_counted(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert visard("bench", "--clients", 2, "--requests", 4, "--mix", "1,2", "--json") == 0
    printed = json.loads(capsys.readouterr().out)
    report = BenchReport.model_validate(printed)
    for way in (report.batched, report.alone):
        # Faces, times both directions, times N K + 1 of the small bundle.
        assert sum(size * count for size, count in way.batches.items()) == (1 + 2 + 1 + 2) * 2 * (8 * 4 + 1)
        assert way.faces_per_second == pytest.approx(way.requests_per_second * 6 / 4)
        assert way.phases["request"].count == 4
        for phase in way.phases.values():
            assert 0 <= phase.p50 <= phase.p95 <= phase.p99
    assert max(report.batched.batches) > 1
    assert {*report.alone.batches} == {1}
    phases = {name: phase.count for name, phase in report.batched.phases.items()}
    assert phases == {
        "decode": 4, "detect": 8, "key": 4, "queue": 4, "solve": 4, "encode": 8, "request": 4,
    }  # fmt: skip
    assert (report.cost.ddim_evaluations, report.clients, report.mix) == (50, 2, [1, 2])
    assert report.overtaking.faces == 20
    assert 0 < report.overtaking.seconds <= report.overtaking.in_order
    assert report.peak_bytes > 50 << 20
    assert report.gain == report.batched.faces_per_second / report.alone.faces_per_second
    assert f"{report.gain:.2f}\n" in render_bench(report)
    assert not home.exists()


@pytest.mark.parametrize("mix", ["0", "9", "1,", "one"])
def test_a_mix_that_makes_no_sense(mix: str, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert visard("bench", "--mix", mix) == 2
    assert "from 1 to 8" in capsys.readouterr().err
    assert not home.exists()
