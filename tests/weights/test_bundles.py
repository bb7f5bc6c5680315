"""Which bundle new images are made with, and which are known for recovery."""

from pathlib import Path

import pytest
import torch

from service.errors import BundleInvalid, BundleUnknown
from service.weights import bundles
from service.weights.bundles import Bundle, Bundles
from tests.small_bundle import write_small_bundle


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory of two bundles, and of files that are none."""
    folder = tmp_path_factory.mktemp("weights")
    for seed, name in enumerate(("2025-old", "2026-new")):
        write_small_bundle(folder / name, seed)
    (folder / "notes").mkdir()
    return folder


@pytest.fixture
def packaged() -> Bundle:
    """What new images are made with if nothing is set."""
    return Bundles.open(None).default


def test_several_bundles_are_for_recovery_and_make_no_new_images(weights: Path, packaged: Bundle) -> None:
    opened = Bundles.open(weights)
    assert opened.default == packaged
    for name in ("2025-old", "2026-new"):
        assert opened.find(Bundle.read(weights / name).digest).directory == weights / name


@pytest.mark.parametrize(("named", "beside"), [("2025-old", "2026-new"), ("2026-new", "2025-old")])
def test_a_bundle_that_is_named_makes_new_images_and_those_beside_it_are_known(
    named: str, beside: str, weights: Path, packaged: Bundle
) -> None:
    opened = Bundles.open(weights / named)
    assert opened.default.directory == weights / named
    assert opened.find(Bundle.read(weights / beside).digest).directory == weights / beside
    assert opened.find(packaged.digest) == packaged


def test_the_working_directory_may_be_the_bundle(weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(weights / "2026-new")
    opened = Bundles.open(Path())
    assert opened.default.digest == Bundle.read(weights / "2026-new").digest
    assert opened.find(Bundle.read(weights / "2025-old").digest)


def test_a_single_bundle_in_a_directory_makes_new_images(weights: Path, tmp_path: Path) -> None:
    (tmp_path / "only").symlink_to(weights / "2025-old")
    opened = Bundles.open(tmp_path)
    assert opened.default.directory == tmp_path / "only"
    with pytest.raises(BundleUnknown):
        opened.find(Bundle.read(weights / "2026-new").digest)


def test_a_packaged_bundle_is_chosen_by_its_name(packaged: Bundle) -> None:
    opened = Bundles.open(Path("faces-64"))
    assert opened.default.manifest.name == "faces-64"
    assert opened.find(packaged.digest) == packaged


def test_without_packaged_weights_one_of_several_must_be_named(
    weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bundles, "BUNDLED", tmp_path)
    for unnamed in (None, weights):
        with pytest.raises(BundleInvalid, match="set VISARD_WEIGHTS to a bundle directory"):
            Bundles.open(unnamed)
    assert Bundles.open(weights / "2026-new").default.directory == weights / "2026-new"


def test_a_directory_without_bundles_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BundleInvalid, match="is no bundle, holds none"):
        Bundles.open(tmp_path)


def test_who_has_loaded_a_network_computes_float32_in_full(weights: Path) -> None:
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
    opened = Bundles.open(weights / "2026-new")
    opened.denoiser(opened.default.digest)
    assert (torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32) == (False, False)


def test_small_faces_have_weights_of_their_own_unless_somebody_named_some(weights: Path) -> None:
    for chosen in (None, weights):
        small = Bundles.open(chosen).small
        assert small is not None and small.manifest.name == "faces-64"
    for named in (Path("faces-160"), Path("faces-64"), weights / "2025-old"):
        assert Bundles.open(named).small is None
