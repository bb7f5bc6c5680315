"""A stranger whom nobody finds is drawn again, one of sixteen bits more finely, and none for nothing."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from io import BytesIO
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from service.errors import AlphaUnsupported, DepthUnsupported, EngineBusy, EngineUnavailable, VisardError
from service.evaluation.figures import psnr
from service.faces.detection import CenterFaceDetector, Detection
from service.imaging import decode
from service.operations import strangers
from service.operations.anonymize import AnonymizeRequest, anonymize
from service.operations.parts import Parts
from service.operations.recover import RecoverRequest, recover
from service.operations.strangers import DRAWS
from tests.conftest import TENANT
from tests.files import encoded
from tests.operations.conftest import Watched

Pixels = NDArray[np.uint8]

REQUEST = AnonymizeRequest(tenant=TENANT)
ASK = RecoverRequest(tenant=TENANT, subject="auditor", reason="court order", fidelity="generative")


@pytest.fixture(autouse=True)
def all_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    """As many as the product makes."""
    monkeypatch.setattr(strangers, "DRAWS", DRAWS)


@dataclass
class Forgetful:
    """Finds what is in the first picture it is shown; of it, in later ones, only the faces named for each look."""

    looks: Sequence[Sequence[int]]
    faces: list[Detection] = field(default_factory=list)
    looked: int = 0

    def __call__(self, rgb: NDArray[np.uint8], min_confidence: float) -> list[Detection]:
        if not self.faces:
            self.faces = sorted(CenterFaceDetector()(rgb, min_confidence), key=lambda face: face.box[0])
            return self.faces
        self.looked += 1
        return [self.faces[i] for i in self.looks[self.looked - 1]]


def _watched(parts: Parts, looks: Sequence[Sequence[int]]) -> tuple[Parts, Watched]:
    engine = Watched(parts.engine)
    return replace(parts, detector=Forgetful(looks), engine=engine), engine


@pytest.mark.parametrize(
    ("looks", "given"),
    [
        ([(0, 1)], [2]),
        ([(0,), (0, 1)], [2, 1]),
        ([(1,), (), (0,)], [2, 1, 1]),
        ([(), (1,), (0,)], [2, 2, 1]),
        ([(0,)] * DRAWS, [2] + [1] * (DRAWS - 1)),
        # An image of few faces is drawn five times one of them.
        ([()] * 4, [2, 2, 2, 1]),
    ],
)
def test_who_is_not_found_again_is_drawn_again_and_comes_back(
    looks: Sequence[Sequence[int]], given: list[int], parts: Parts, two_faces: Pixels
) -> None:
    watched, engine = _watched(parts, looks)
    made = anonymize(encoded(two_faces), replace(REQUEST, seal="off"), watched)
    assert engine.given == given
    assert len(given) <= DRAWS
    back = decode(recover(made.data, ASK, parts).data).pixels
    assert psnr(back, two_faces) > psnr(decode(made.data).pixels, two_faces) + 8


@pytest.mark.parametrize("error", [EngineBusy("later"), EngineUnavailable("away")])
def test_an_engine_that_is_busy_meanwhile_loses_nothing(error: VisardError, parts: Parts, portrait: Pixels) -> None:
    watched, engine = _watched(parts, [()])
    engine.busy = error
    made = anonymize(encoded(portrait), replace(REQUEST, seal="off"), watched)
    assert engine.given == [1, 1]
    back = decode(recover(made.data, ASK, parts).data).pixels
    assert psnr(back, portrait) > psnr(decode(made.data).pixels, portrait) + 8


def test_a_box_where_nothing_was_found_is_drawn_once(parts: Parts) -> None:
    grass = np.random.default_rng(0).integers(60, 120, (120, 120, 3), np.uint8)
    engine = Watched(parts.engine)
    anonymize(encoded(grass), replace(REQUEST, extra=((30.0, 30.0, 80.0, 90.0),)), replace(parts, engine=engine))
    assert engine.given == [1]


def test_a_later_draw_is_another_stranger(parts: Parts, portrait: Pixels) -> None:
    shown: list[Pixels] = []
    watched, _ = _watched(parts, [(), (0,)])
    finds = watched.detector

    def keeping(rgb: NDArray[np.uint8], min_confidence: float) -> list[Detection]:
        shown.append(rgb.copy())
        return finds(rgb, min_confidence)

    anonymize(encoded(portrait), REQUEST, replace(watched, detector=keeping))
    original, first, second = shown
    changed = (first != original).any(axis=-1)
    assert np.array_equal(second[~changed], original[~changed])
    assert (first != second).any(axis=-1)[changed].mean() > 0.9


@pytest.mark.parametrize(("depth", "evaluations"), [(8, 2 * (8 * 4 + 1)), (16, 2 * (8 * 6 + 1))])
def test_sixteen_bits_get_as_many_evaluations_as_the_budget_allows(
    depth: Any, evaluations: int, parts: Parts, portrait: Pixels
) -> None:
    spent: list[None] = []
    watched, _ = _watched(parts, [(0,)])
    made = anonymize(encoded(portrait), replace(REQUEST, depth=depth), watched, lambda: spent.append(None))
    assert len(spent) == evaluations
    spent.clear()
    recover(made.data, ASK, parts, lambda: spent.append(None))
    assert len(spent) == evaluations


@pytest.mark.parametrize(
    ("choice", "error"), [({"depth": 16, "format": "jpeg"}, DepthUnsupported), ({"format": "jpeg"}, AlphaUnsupported)]
)
def test_nothing_is_drawn_for_a_file_that_cannot_be_written(
    choice: dict[str, Any], error: type[VisardError], parts: Parts, portrait: Pixels
) -> None:
    engine = Watched(parts.engine)
    glass = Image.fromarray(np.dstack([portrait, np.full(portrait.shape[:2], 200, np.uint8)]))
    out = BytesIO()
    glass.save(out, "PNG")
    with pytest.raises(error):
        anonymize(out.getvalue(), replace(REQUEST, **choice), replace(parts, engine=engine))
    assert engine.given == []
