"""What a worker of a batch asks itself before it says that it is ready."""

from pathlib import Path

import pytest

from service.cluster import crew
from service.cluster.crew import Order, Worker, drawing
from service.imaging import Limits
from service.operations.anonymize import AnonymizeRequest
from service.weights import bundles
from service.weights.bundles import Bundles
from tests.small_bundle import write_small_bundle

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@pytest.fixture
def order(tmp_path: Path, small_bundle: Path, monkeypatch: pytest.MonkeyPatch) -> Order:
    monkeypatch.setattr(crew, "settle", lambda _: None)
    (tmp_path / "a.png").write_bytes(b"")
    return Order(
        source=str(tmp_path),
        request=AnonymizeRequest(tenant="demo", no_faces="pass"),
        weights=small_bundle,
        bundles=drawing(Bundles.open(small_bundle)),
        device="cpu",
        limits=Limits(),
        max_faces=None,
        threads=1,
        guarded=True,
    )


def test_it_is_ready_once_its_networks_are_loaded(order: Order, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded: list[Path] = []
    real = bundles._load

    def load(bundle: bundles.Bundle, device: object) -> object:
        loaded.append(bundle.directory)
        return real(bundle, device)

    monkeypatch.setattr(bundles, "_load", load)
    assert Worker(order).prepare() is None
    assert loaded == [order.weights]


def test_a_network_that_does_not_fit_its_device_is_said_before_a_photo_is_tried(
    order: Order, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise bundles.BundleInvalid("the network of the weights bundle cannot be loaded")

    monkeypatch.setattr(bundles, "_load", full)
    assert Worker(order).prepare() == "the network of the weights bundle cannot be loaded"


def test_other_weights_than_those_of_the_one_who_gives_out_the_work_are_refused(order: Order, tmp_path: Path) -> None:
    write_small_bundle(tmp_path / "newer", seed=2)
    order = Order(**{name: getattr(order, name) for name in Order.__slots__} | {"weights": tmp_path / "newer"})
    said = Worker(order).prepare()
    assert said is not None and "other weights" in said
