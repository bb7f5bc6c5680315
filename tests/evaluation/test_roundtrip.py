"""The whole evaluation on three photos, its table, and what it leaves behind."""

import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from service.errors import NoFaces
from service.evaluation.report import RoundtripReport, render
from service.evaluation.roundtrip import run_roundtrip
from service.operations.parts import Parts


def test_report_table_and_sheets(photo_folder: Path, tmp_path: Path, parts: Parts) -> None:
    report = run_roundtrip(photo_folder, tmp_path, parts, limit=3, seed=1, large=(900, 600))
    assert report.photos == report.portraits == report.exact.image.hits == 3
    assert report.cost.evaluations == parts.bundles.default.manifest.numerics.nfe
    assert report.cost.ddim_evaluations == 50
    assert report.large.code == 0 and report.large.found.hits > 0
    assert 2**27 < report.large.peak_bytes < 3 * 2**30

    assert RoundtripReport.model_validate_json(report.model_dump_json()) == report
    table = render(report)
    assert parts.bundles.default.digest.hex() in table
    for rate in (report.exact.image, report.exact.detected, report.generative.png16_exact):
        assert str(rate) in table
    assert re.search(r"JPEG 75 .*\(n = \d\).*\(n = \d\).*\(n = \d\)", table)
    assert "FAILED" not in table

    assert sorted(path.name for path in tmp_path.iterdir()) == ["faces.png", "recoveries.png"]
    for path in tmp_path.iterdir():
        assert np.asarray(Image.open(path)).std() > 10


def test_photos_without_faces_are_an_error_and_leave_no_files(tmp_path: Path, parts: Parts) -> None:
    grey = tmp_path / "grey"
    grey.mkdir()
    Image.new("RGB", (64, 64), (128, 128, 128)).save(grey / "grey.png")
    with pytest.raises(NoFaces):
        run_roundtrip(grey, tmp_path / "out", parts, limit=1, seed=0)
    assert not list((tmp_path / "out").iterdir())
