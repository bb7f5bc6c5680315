"""Training: seeded, resumable to the bit, and ending in a bundle that anonymizes."""

import io
import itertools
import json
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from skimage.data import astronaut

from service.core.context import Context
from service.errors import BadInput, FileUnusable
from service.faces.detection import CenterFaceDetector, Detection
from service.faces.masks import BLOCK
from service.training.bank import load_bank
from service.training.bundling import make_bundle
from service.training.config import Ends, TrainConfig
from service.training.faceset import FaceSet, load_face_set, read_photos
from service.training.run import train
from service.training.samples import sample_batch
from service.weights.bundles import Bundle, Bundles
from service.weights.network import load_denoiser
from tests.files import encoded

SMALL = TrainConfig(
    resolution=16, patch=2, channels=(32, 32), layers=1, images=40, batch=8, warmup=16, bfloat16=False, seed=3
)
ENDS = Ends(tau=(0.95, 0.9, 0.8, 0.7))
PHOTOS = 6
FAILING_BATCH = 5
"""The sheet's and the measured examples of the first checkpoint are drawn too."""


def _jpeg(pixels: NDArray[np.uint8]) -> bytes:
    return encoded(pixels, "JPEG", quality=95)


@pytest.fixture(scope="module")
def faces() -> FaceSet:
    """One face, moved about."""
    boxes = np.array([[60.0, 40.0, 130.0, 140.0]] * PHOTOS)
    landmarks = np.array([[[80.0, 80.0], [112.0, 80.0], [96.0, 100.0], [84.0, 118.0], [110.0, 118.0]]] * PHOTOS)
    photos = [_jpeg(np.ascontiguousarray(astronaut()[10 + i : 230 + i, 120 - i : 320 - i])) for i in range(PHOTOS)]
    groups = np.array([0, 0, 0, 0, 0, 1])
    return FaceSet([f"{i}" for i in range(PHOTOS)], photos, boxes, landmarks, groups)


def _seen(run: Path) -> int:
    return int(torch.load(run / "checkpoint.pt", weights_only=True)["seen"])


def _weights(run: Path) -> dict[str, torch.Tensor]:
    return dict(load_denoiser(run, SMALL.patch).state_dict())


def _examples(faces: FaceSet, resolution: int, each: int) -> tuple[torch.Tensor, Context]:
    bank = load_bank(faces, resolution, torch.device("cpu"))
    rng = torch.Generator().manual_seed(2)
    return sample_batch(bank, torch.arange(PHOTOS).repeat_interleave(each), resolution, rng)


class PowerCutError(Exception):
    """Ends a run somewhere."""


def test_an_interrupted_run_ends_where_an_uninterrupted_one_does(
    faces: FaceSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train(SMALL, faces, tmp_path / "whole", save_every=16)
    with monkeypatch.context() as broken:
        drawn = itertools.count()

        def fails(*args: Any) -> Any:
            if next(drawn) == FAILING_BATCH:
                raise PowerCutError
            return sample_batch(*args)

        broken.setattr("service.training.run.sample_batch", fails)
        with pytest.raises(PowerCutError):
            train(SMALL, faces, tmp_path / "cut", save_every=16)
    assert _seen(tmp_path / "cut") == 16
    train(SMALL, faces, tmp_path / "cut", save_every=16)
    whole, cut = _weights(tmp_path / "whole"), _weights(tmp_path / "cut")
    assert all(torch.equal(whole[name], cut[name]) for name in whole)


def test_a_run_out_of_time_stops_where_it_can_go_on(faces: FaceSet, tmp_path: Path) -> None:
    assert train(SMALL, faces, tmp_path / "run", seconds=0.0) == 8
    assert _seen(tmp_path / "run") == 8
    assert train(SMALL, faces, tmp_path / "run") == 40
    logged = [json.loads(line) for line in (tmp_path / "run" / "log.jsonl").read_text().splitlines()]
    assert [line["seen"] for line in logged] == [8, 40]
    assert all(0 < loss < 10 for line in logged for loss in line["held_out"].values())


def test_the_last_images_are_saved_when_batches_do_not_divide_the_run(faces: FaceSet, tmp_path: Path) -> None:
    train(SMALL.model_copy(update={"images": 20}), faces, tmp_path / "run", save_every=1000)
    assert _seen(tmp_path / "run") == 24
    assert (tmp_path / "run" / "sheets" / "00000024.png").exists()


def test_training_lowers_the_loss(faces: FaceSet, tmp_path: Path) -> None:
    config = SMALL.model_copy(update={"images": 800, "learning_rate": 2e-3})
    train(config, faces, tmp_path / "run", save_every=10_000)
    trained = load_denoiser(tmp_path / "run", SMALL.patch)
    clean, context = _examples(faces, SMALL.resolution, each=1)
    t = torch.full((PHOTOS,), 0.5, dtype=torch.float64)
    eps = torch.randn(clean.shape, generator=torch.Generator().manual_seed(1)).double()
    x = (clean.double() + eps) * 0.5**0.5 * context.generate
    target = (eps - clean.double()) * 0.5**0.5 * context.generate
    error = ((trained(x, t, context) - target) ** 2).sum() / (target**2).sum()
    assert error < 0.7


def test_a_warm_start_begins_from_the_bundle(faces: FaceSet, tmp_path: Path) -> None:
    train(SMALL, faces, tmp_path / "first")
    still = SMALL.model_copy(update={"images": 8, "learning_rate": 1e-12})
    train(still, faces, tmp_path / "second", warm_start=tmp_path / "first")
    first, second = _weights(tmp_path / "first"), _weights(tmp_path / "second")
    assert all(torch.allclose(first[name], second[name], atol=1e-6) for name in first)


def test_a_run_becomes_a_bundle(faces: FaceSet, tmp_path: Path) -> None:
    train(SMALL, faces, tmp_path / "run")
    manifest = make_bundle(tmp_path / "run", faces, tmp_path / "bundle", "mine", ends=ENDS, count=2)
    assert manifest.recipe["images_seen"] == 40
    assert str(tmp_path) not in (tmp_path / "bundle" / "unet" / "config.json").read_text()
    assert manifest.numerics.taus == ENDS.tau
    assert manifest.numerics.nfe <= 49
    bundles = Bundles.open(tmp_path / "bundle")
    assert bundles.default.manifest == manifest
    before = bundles.default.digest
    changed = manifest.model_copy(update={"numerics": manifest.numerics.model_copy(update={"tau": 0.8})})
    changed.write(tmp_path / "bundle")
    assert Bundle.read(tmp_path / "bundle").digest != before
    with pytest.raises(BadInput):
        make_bundle(tmp_path / "nothing", faces, tmp_path / "none", "mine", ends=Ends())


def test_examples_keep_the_rules_of_the_service(faces: FaceSet) -> None:
    clean, context = _examples(faces, 32, each=32)
    assert isinstance(context, Context)
    assert not (context.generate & context.visible).any()
    assert all(generate.any() for generate in context.generate)
    hidden = ~context.visible.expand_as(context.known)
    assert (context.known[hidden] == 0).all()
    assert clean.abs().max() <= 1
    assert 0 < context.landmarks.max() <= 1
    blocks = context.generate[:, 0].reshape(-1, 32 // BLOCK, BLOCK, 32 // BLOCK, BLOCK)
    whole = blocks.all(dim=4).all(dim=2)
    assert whole.any()


def _archive(path: Path, files: dict[str, bytes]) -> Path:
    with tarfile.open(path, "w") as archive:
        for name, data in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return path


def test_photos_of_folders_and_archives_are_found_and_detections_kept(tmp_path: Path) -> None:
    source = tmp_path / "data"
    (source / "loose").mkdir(parents=True)
    photo = _jpeg(np.ascontiguousarray(astronaut()[20:240, 120:320]))
    (source / "loose" / "a.jpg").write_bytes(photo)
    (source / "loose" / "empty.jpg").write_bytes(_jpeg(np.full((64, 64, 3), 80, np.uint8)))
    inside = _archive(source / "of any name.tar", {"packed/b.jpg": photo, "packed/b.txt": b"no photo"})
    beside = _archive(tmp_path / "beside.tar", {"beside/c.jpg": photo})
    sources = read_photos([source, beside])
    assert [(one.path, list(one.files)) for one in sources] == [
        (source, ["loose/a.jpg", "loose/empty.jpg"]),
        (inside, ["packed/b.jpg"]),
        (beside, ["beside/c.jpg"]),
    ]
    found = load_face_set(sources, tmp_path / "faces.npz", CenterFaceDetector())
    assert sorted(found.names) == ["beside/c.jpg", "loose/a.jpg", "packed/b.jpg"]
    assert sorted(found.groups.tolist()) == [0, 1, 2]

    def never(rgb: NDArray[np.uint8], min_confidence: float) -> list[Detection]:
        raise AssertionError("detections were kept")

    again = load_face_set(sources, tmp_path / "faces.npz", never)
    assert np.array_equal(again.boxes, found.boxes)
    more = read_photos([source, beside, _archive(tmp_path / "more.tar", {"more/d.jpg": photo})])
    for others in (sources[1:], more):
        with pytest.raises(BadInput, match="other photos"):
            load_face_set(others, tmp_path / "faces.npz", never)


def test_photos_without_a_face_are_no_beginning_of_a_run(tmp_path: Path) -> None:
    none = _archive(tmp_path / "none.tar", {"a.jpg": _jpeg(np.full((64, 64, 3), 80, np.uint8))})
    some = _archive(tmp_path / "some.tar", {"b.jpg": _jpeg(np.ascontiguousarray(astronaut()[20:240, 120:320]))})
    with pytest.raises(BadInput, match="no photo with a face"):
        load_face_set(read_photos([none]), tmp_path / "faces.npz", CenterFaceDetector())
    assert load_face_set(read_photos([some]), tmp_path / "faces.npz", CenterFaceDetector()).names == ["b.jpg"]


def test_an_archive_with_a_link_to_what_is_not_in_it_cannot_be_read(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "links.tar", "w") as archive:
        entry = tarfile.TarInfo("a.jpg")
        entry.type, entry.linkname = tarfile.SYMTYPE, "elsewhere.jpg"
        archive.addfile(entry)
    with pytest.raises(FileUnusable, match="cannot be read"):
        read_photos([tmp_path / "links.tar"])


def test_photos_for_evaluation_are_not_trained_on(tmp_path: Path) -> None:
    (tmp_path / "loose").mkdir()
    (tmp_path / "loose" / "a.jpg").write_bytes(b"photo")
    photos = _archive(tmp_path / "faces-train.tar", {"faces/1.jpg": b"photo"})
    pairs = _archive(tmp_path / "lfw-eval.tar", {"lfw/Ada_0001.jpg": b"photo", "lfw/pairs.tsv": b"fold"})
    for data in (tmp_path, pairs):
        with pytest.raises(FileUnusable, match=r"lfw-eval\.tar is for evaluation"):
            read_photos([photos, data])
    (tmp_path / "loose" / "pairs.tsv").write_bytes(b"fold")
    with pytest.raises(FileUnusable, match="loose is for evaluation"):
        read_photos([tmp_path / "loose"])
    assert [one.path for one in read_photos([photos])] == [photos]


def test_training_photos_that_cannot_be_used_are_refused(tmp_path: Path) -> None:
    one = _archive(tmp_path / "one.tar", {"faces/1.jpg": b"photo"})
    other = _archive(tmp_path / "other.tar", {"faces/1.jpg": b"another", "faces/2.jpg": b"photo"})
    with pytest.raises(FileUnusable, match=r"faces/1\.jpg twice"):
        read_photos([one, other])
    (tmp_path / "broken.tar").write_bytes(b"no archive" * 100)
    (tmp_path / "empty").mkdir()
    (tmp_path / "note.txt").write_text("no photo")
    for data in ("broken.tar", "empty", "note.txt", "missing"):
        with pytest.raises(FileUnusable):
            read_photos([one, tmp_path / data])
