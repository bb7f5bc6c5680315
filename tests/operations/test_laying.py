"""Small faces alone are drawn by the small weights."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from service.engine import Engine
from service.errors import NoFaces
from service.imaging import decode
from service.operations.anonymize import AnonymizeRequest, anonymize
from service.operations.parts import Parts
from service.operations.recover import RecoverRequest, recover
from service.weights.bundles import Bundle, Bundles
from tests.conftest import TENANT
from tests.files import encoded
from tests.operations.conftest import Watched
from tests.small_bundle import write_small_bundle

Pixels = NDArray[np.uint8]

REQUEST = AnonymizeRequest(tenant=TENANT)
ASK = RecoverRequest(tenant=TENANT, subject="auditor", reason="court order")


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Bundles:
    folder = tmp_path_factory.mktemp("weights")
    large, small = (Bundle.read(write_small_bundle(folder / str(r), resolution=r)) for r in (64, 32))
    return Bundles(large, small=small)


@pytest.fixture
def pair(parts: Parts, both: Bundles) -> Parts:
    return replace(parts, bundles=both, engine=Watched(Engine(both)))


def _tiny(portrait: Pixels) -> Pixels:
    """(38, 35, 3): a face of at most 20 pixels stands at scale 1 on the grid of 32 cells."""
    return np.asarray(Image.fromarray(portrait).resize((35, 38), Image.Resampling.BOX))


def _beside(one: Pixels, other: Pixels) -> Pixels:
    canvas = np.full((max(len(one), len(other)), one.shape[1] + other.shape[1], 3), 128, np.uint8)
    canvas[: len(one), : one.shape[1]] = one
    canvas[: len(other), one.shape[1] :] = other
    return canvas


def _weights(image: Pixels, parts: Parts) -> set[bytes]:
    made = anonymize(encoded(image), REQUEST, parts)
    assert np.array_equal(decode(recover(made.data, ASK, parts).data).pixels, image)
    assert recover(made.data, replace(ASK, fidelity="generative"), parts).faces == len(made.faces)
    return parts.engine.digests  # type: ignore[attr-defined]


def test_an_image_of_small_faces_is_drawn_by_the_small_weights(pair: Parts, both: Bundles, portrait: Pixels) -> None:
    assert both.small is not None
    assert _weights(_tiny(portrait), pair) == {both.small.digest}


def test_one_large_face_is_enough_for_the_default(pair: Parts, both: Bundles, portrait: Pixels) -> None:
    assert _weights(portrait, pair) == {both.default.digest}
    mixed = _beside(portrait, _tiny(portrait))
    assert len(anonymize(encoded(mixed), REQUEST, pair).faces) == 2
    assert pair.engine.digests == {both.default.digest}  # type: ignore[attr-defined]


def test_an_image_without_faces_is_refused_as_ever(pair: Parts) -> None:
    with pytest.raises(NoFaces):
        anonymize(encoded(np.full((90, 90, 3), 120, np.uint8)), REQUEST, pair)
