"""The realism of three photos: what is in the report, the table and the sheets."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from service.errors import NoFaces
from service.evaluation.backbone import BackboneFeatures
from service.evaluation.photos import choose_photos
from service.evaluation.realism import RealismReport, run_realism
from service.evaluation.realism_table import render_realism
from service.evaluation.recognizers import dlib_resnet
from service.evaluation.studio import Studio
from service.evaluation.subjects import make_subjects
from service.operations.parts import Parts
from tests.small_bundle import RESOLUTION


def test_report_table_and_sheets(photo_folder: Path, tmp_path: Path, parts: Parts) -> None:
    report = run_realism(photo_folder, tmp_path, parts, limit=3, reference=4, seed=1)
    assert report.faces == report.photos == report.utility.detected.of == report.scale.count == 3
    assert list(report.kid) == ["CenterFace backbone", "dlib ResNet"]
    assert report.latents["all"].deviation.count == 3
    assert RealismReport.model_validate_json(report.model_dump_json()) == report
    table = render_realism(report)
    assert report.digest in table and str(report.utility.detected) in table and "too few faces" in table
    assert sorted(path.name for path in tmp_path.iterdir()) == ["strangers.png", "worst.png"]
    with Image.open(tmp_path / "strangers.png") as sheet:
        assert sheet.size == (3 * 128, 128)


def test_a_subject_holds_the_original_its_coarse_copy_and_what_the_file_shows(
    photo_folder: Path, studio: Studio
) -> None:
    for subject in make_subjects(choose_photos(photo_folder, 2, 1), studio):
        hidden = (subject.original != subject.shown).any(axis=2)
        assert 0.05 < hidden.mean() < 0.6
        smoothed = subject.original.astype(float) - subject.coarse
        assert not smoothed[~hidden].any() and smoothed[hidden].any()
        assert abs(smoothed[hidden].mean()) < 0.5
        sharpness = [
            float(np.abs(np.diff(pixels[hidden].astype(float), axis=0)).mean())
            for pixels in (subject.original, subject.coarse)
        ]
        assert sharpness[1] < 0.8 * sharpness[0]
        assert len(subject.view.inside.values) == RESOLUTION


def test_features_need_no_recognizer(
    photo_folder: Path, tmp_path: Path, parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dlib_resnet, "find_spec", lambda name: None)
    assert list(run_realism(photo_folder, tmp_path, parts, limit=1, reference=4, seed=1).kid) == ["CenterFace backbone"]


def test_the_backbone_sees_noise_and_blur() -> None:
    smooth = np.tile(np.linspace(0, 255, 160)[:, None, None], (1, 160, 3)).astype(np.uint8)
    noisy = np.random.default_rng(0).integers(0, 256, (160, 160, 3), np.uint8)
    points = np.array([[50.5, 50.0], [109.5, 50.0], [80.0, 84.3], [55.0, 110.4], [105.0, 110.4]])
    features = BackboneFeatures()
    one, again, other = (features(picture, points) for picture in (smooth, smooth, noisy))
    assert one.shape == (944,) and np.isfinite(one).all()
    assert np.array_equal(one, again) and np.linalg.norm(one - other) > np.linalg.norm(one)


def test_photos_without_faces_are_an_error_and_leave_no_files(tmp_path: Path, parts: Parts) -> None:
    (tmp_path / "grey").mkdir()
    Image.new("RGB", (64, 64), (128, 128, 128)).save(tmp_path / "grey" / "grey.png")
    with pytest.raises(NoFaces):
        run_realism(tmp_path / "grey", tmp_path / "out", parts, limit=1, reference=4, seed=0)
    assert not list((tmp_path / "out").iterdir())
