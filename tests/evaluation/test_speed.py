"""``visard evaluate speed`` counts right; how fast anything is, it may say what it likes."""

import json
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

import pytest
import torch

from service.evaluation.speed import SpeedReport
from service.evaluation.speed_report import render_speed
from tests.commands.visard import visard

SIZES, PLANS = (1, 3), ((4, 2), (4, 4))
FACE_EVALUATIONS = 2 * (8 * 4 + 1)
"""Of the small bundle."""


@pytest.fixture(scope="module")
def report(photo_folder: Path, small_bundle: Path) -> SpeedReport:
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(StringIO()) as printed:
        patch.setenv("VISARD_WEIGHTS", str(small_bundle))
        # What a card is measured with takes a processor minutes.
        patch.setattr("service.evaluation.speed._SIZES", SIZES)
        patch.setattr("service.evaluation.speed._PLANS", PLANS)
        patch.setattr("service.evaluation.speed._SECONDS", 0.01)
        assert visard("evaluate", "speed", "--data", photo_folder, "--limit", 1, "--json") == 0
    assert not torch.backends.cuda.matmul.allow_tf32
    assert not torch.backends.cudnn.allow_tf32
    return SpeedReport.model_validate(json.loads(printed.getvalue()))


def test_every_batch_size_is_timed(report: SpeedReport) -> None:
    assert [pace.batch for pace in report.paces] == [*SIZES]
    assert 0 < report.gflop < 1
    for pace in report.paces:
        per_second = pace.faces_per_second * FACE_EVALUATIONS * report.gflop / 1e3
        assert pace.share == pytest.approx(per_second / report.matrix["float32"])
        assert pace.share > 0
        assert pace.graphed is None


def test_precision_costs_recovery(report: SpeedReport) -> None:
    rows = {(row.made, row.recovered): row for row in report.precisions}
    other = [("float32", "tf32"), ("float32", "bfloat16")]
    assert [*rows] == [(name, name) for name in ("float32", "tf32", "bfloat16")] + other
    for row in rows.values():
        assert row.eight_bit.count == row.unrounded.count == 1
        assert row.faces_per_second
    fine, coarse = rows["float32", "float32"], rows["float32", "bfloat16"]
    assert fine.unrounded.worst > coarse.unrounded.worst
    assert fine.unrounded.worst > fine.eight_bit.worst > 30
    # A CPU knows no TF32.
    assert rows["float32", "tf32"].unrounded == fine.unrounded


def test_more_evaluations_recover_better(report: SpeedReport) -> None:
    few, many = report.sweeps
    assert ((few.steps, few.evaluations), (many.steps, many.evaluations)) == PLANS
    assert many.unrounded.worst > few.unrounded.worst


def test_everything_is_printed(report: SpeedReport) -> None:
    text = render_speed(report)
    assert text.startswith("device   cpu\n")
    for pace in report.paces:
        assert f"{pace.batch:5} {pace.faces_per_second:10.2f} {'-':>18} {pace.share:10.1%}\n" in text
    for row in report.precisions:
        assert f"{row.made}, {row.recovered} " in text
    assert f" 4  4   {report.sweeps[-1].eight_bit!s:34} {report.sweeps[-1].unrounded}" in text
