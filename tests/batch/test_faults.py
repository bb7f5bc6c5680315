"""``visard batch``: what nobody foresaw is a photo's failure only while other photos are drawn."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from torch import Tensor

from service.batch import run, work
from service.batch.work import Faulted, Job, Lost, carry_out
from service.core.context import Context
from service.errors import BundleInvalid, EngineUnavailable
from service.operations.anonymize import AnonymizeRequest, draw
from service.operations.keeping import NewImage
from service.operations.parts import Parts
from service.tenancy import Policy
from service.weights import bundles
from tests.batch.conftest import EVERYTHING, Bench
from tests.conftest import TENANT


@pytest.fixture
def faults(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[bytes], bool]], None]:
    """Lets photos fault, by their bytes."""

    def choose(chosen: Callable[[bytes], bool]) -> None:
        def drawn(data: bytes, *more: Any, **options: Any) -> Any:
            if chosen(data):
                raise RuntimeError("secret")
            return draw(data, *more, **options)

        monkeypatch.setattr(work, "draw", drawn)

    return choose


@pytest.mark.parametrize(("row", "said"), [(2, "nothing gets done"), (100, "left for another run: 3 ")])
def test_faults_and_nothing_else_fail_no_photo(
    bench: Bench, faults: Callable[..., None], row: int, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "_HOPELESS", row)
    faults(lambda _: True)
    with pytest.raises(EngineUnavailable, match=said) as caught:
        bench.run()
    assert ".png: internal error (RuntimeError)" in str(caught.value)
    assert "secret" not in str(caught.value)
    assert bench.lines == {}
    faults(lambda _: False)
    bench.run()
    bench.is_whole(EVERYTHING)


def test_a_photo_that_faults_while_others_are_drawn_has_failed(
    bench: Bench, source: Path, photo: bytes, faults: Callable[..., None]
) -> None:
    (source / "a.png").write_bytes(photo + b"bad")
    faults(lambda data: data.endswith(b"bad"))
    figures, crew = bench.run()
    line = bench.lines["a.png"]
    assert (line["error"], line["message"]) == ("fault", "internal error (RuntimeError)")
    assert (figures.anonymized, figures.failed) == (2, {"fault": 1})
    assert [name for name, _ in crew.tried].count("a.png") == 3
    assert "secret" not in bench.manifest.read_text()


def test_a_fault_that_passes_fails_nothing(bench: Bench, faults: Callable[..., None]) -> None:
    left = [True] * 3
    faults(lambda _: bool(left and left.pop()))
    figures, _ = bench.run()
    assert (figures.anonymized, figures.failed) == (3, {})
    bench.is_whole(EVERYTHING)


def test_photos_without_faces_do_not_show_that_faces_can_be_drawn(
    bench: Bench, source: Path, photo: bytes, faults: Callable[..., None]
) -> None:
    for name in ("nobody.bmp", "below/nobody.bmp"):
        Image.fromarray(np.zeros((64, 64, 3), np.uint8)).save(source / name)
    faults(lambda data: data == photo)
    with pytest.raises(EngineUnavailable, match="left for another run: 3 "):
        bench.run()
    assert set(bench.lines) == {"nobody.bmp", "below/nobody.bmp"}


def test_a_device_that_breaks_down_fails_no_photo(bench: Bench, source: Path, parts: Parts, photo: bytes) -> None:
    for number in range(5):
        (source / f"{number}.png").write_bytes(photo)
    digest = parts.bundles.default.digest
    network = parts.bundles.denoiser(digest)

    def sticky(x: Tensor, t: Tensor, context: Context) -> Tensor:
        if bench.lines:
            raise RuntimeError("CUDA error: an illegal memory access was encountered")
        return network(x, t, context)

    parts.bundles._loaded[digest] = sticky
    with pytest.raises(EngineUnavailable, match="left for another run"):
        bench.run()
    assert 0 < len(bench.lines) < 8
    assert {line["status"] for line in bench.lines.values()} == {"anonymized"}
    parts.bundles._loaded[digest] = network
    bench.run()
    bench.is_whole(EVERYTHING | {f"{number}.png" for number in range(5)})


def test_a_fault_is_no_photos_once_the_engine_is_broken(
    bench: Bench, parts: Parts, faults: Callable[..., None]
) -> None:
    faults(lambda _: True)
    request = AnonymizeRequest(tenant=TENANT, no_faces="pass")

    def outcome() -> object:
        return carry_out(Job("a.png", NewImage.begin(TENANT, Policy(), parts.keys)), bench.source, request, parts)

    assert outcome() == Faulted("internal error (RuntimeError)")
    parts.engine.close()
    assert outcome() == Lost("the device fails: internal error (RuntimeError)", broken=True)


def test_a_network_that_does_not_fit_the_device_fails_no_photo(
    bench: Bench, parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise BundleInvalid("the network of the weights bundle cannot be loaded")

    monkeypatch.setattr(bundles, "_load", full)
    with pytest.raises(EngineUnavailable, match=r"left for another run: 3 .*cannot be loaded"):
        bench.run()
    assert bench.lines == {}
