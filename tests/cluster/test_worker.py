"""What a worker of a batch asks itself before it says that it is ready."""

import pickle
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from service.assembly import open_parts
from service.batch.storage import Folder
from service.batch.work import Job, carry_out
from service.imaging import Limits
from service.operations.anonymize import AnonymizeRequest, Drawn
from service.operations.keeping import NewImage
from service.settings import Settings
from service.tenancy import Policy
from service.weights import bundles
from service.weights.bundles import Bundles
from tests.batch.stubs import DRAWN, Crowd
from tests.small_bundle import write_small_bundle

# Ray reads its environment when it is imported: late, and behind the tests that join a cluster.
pytestmark = [pytest.mark.xdist_group("ray"), pytest.mark.filterwarnings("ignore::DeprecationWarning")]


@pytest.fixture
def order(tmp_path: Path, small_bundle: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    from service.cluster import crew

    monkeypatch.setattr(crew, "settle", lambda _: None)
    (tmp_path / "a.png").write_bytes(b"")
    return crew.Order(
        source=str(tmp_path),
        request=AnonymizeRequest(tenant="demo", no_faces="pass"),
        weights=small_bundle,
        bundles=crew.drawing(Bundles.open(small_bundle)),
        device="cpu",
        limits=Limits(),
        max_faces=None,
        threads=1,
        guarded=True,
    )


def _worker(order: Any) -> Any:
    from service.cluster.crew import Worker

    return Worker(order)


def test_it_is_ready_once_its_networks_are_loaded(order: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded: list[Path] = []
    real = bundles._load

    def load(bundle: bundles.Bundle, device: object) -> object:
        loaded.append(bundle.directory)
        return real(bundle, device)

    monkeypatch.setattr(bundles, "_load", load)
    assert _worker(order).prepare() is None
    assert loaded == [order.weights]


def test_a_network_that_does_not_fit_its_device_is_said_before_a_photo_is_tried(
    order: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise bundles.BundleInvalid("the network of the weights bundle cannot be loaded")

    monkeypatch.setattr(bundles, "_load", full)
    assert _worker(order).prepare() == "the network of the weights bundle cannot be loaded"


def test_other_weights_than_those_of_the_one_who_gives_out_the_work_are_refused(order: Any, tmp_path: Path) -> None:
    write_small_bundle(tmp_path / "newer", seed=2)
    said = _worker(replace(order, weights=tmp_path / "newer")).prepare()
    assert said is not None and "other weights" in said


def test_it_draws_what_this_process_would_with_the_same_keys(
    order: Any, small_bundle: Path, portrait: NDArray[np.uint8], tmp_path: Path
) -> None:
    Image.fromarray(portrait).save(tmp_path / "face.png")
    parts = open_parts(Settings(home=tmp_path / "home", weights=small_bundle))
    parts.keys.create("demo")
    job = Job("face.png", NewImage.begin("demo", Policy(), parts.keys))
    here = carry_out(job, Folder.open(str(tmp_path)), order.request, parts)
    # As they cross the cluster, there and back.
    sent_order, sent = pickle.loads(pickle.dumps((order, job)))  # noqa: S301
    worker = _worker(sent_order)
    assert worker.prepare() is None
    there = pickle.loads(pickle.dumps(worker.carry_out(sent)))  # noqa: S301
    assert isinstance(here, Drawn) and isinstance(there, Drawn)
    assert len(here.answer.faces) == 1
    assert there.answer.data == here.answer.data


def test_its_engine_refuses_none_of_its_threads(order: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    crowd = Crowd(80)
    monkeypatch.setattr("service.cluster.crew.carry_out", crowd.carry_out)
    worker = _worker(replace(order, threads=crowd.count))
    assert worker.prepare() is None
    with ThreadPoolExecutor(crowd.count) as pool:
        assert set(pool.map(worker.carry_out, [None] * crowd.count)) == {DRAWN}
