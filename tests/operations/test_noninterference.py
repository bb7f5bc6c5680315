"""Of the original face, nothing but the rotated latent reaches the file.

The rotation is replaced by one that looks at its key alone, as a truly random one would. Two originals in the same
surroundings then have to give the same pixels to the last bit, and files, records and seals of the same lengths:
whatever else depended on the face (a norm, the overflow, what the solver left, how well a codec does) would show.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from service.core.keystream import Keystream
from service.faces.detection import Detection
from service.imaging import decode
from service.operations.anonymize import AnonymizeRequest, draw
from service.operations.keeping import NewImage
from service.operations.laying import laid
from service.operations.parts import Parts
from service.tenancy import Policy
from tests.conftest import TENANT
from tests.files import encoded

Pixels = NDArray[np.uint8]
_LANDMARKS = np.array([[0.32, 0.4], [0.68, 0.4], [0.5, 0.6], [0.36, 0.78], [0.64, 0.78]])


def _face(left: float, top: float, width: float, height: float) -> Detection:
    box = (left, top, left + width, top + height)
    return Detection(box, 0.9, _LANDMARKS * [width, height] + [left, top])


SMALL, OVERLAPPING, LARGE = _face(60, 50, 14, 18), _face(68, 60, 14, 18), _face(40, 40, 90, 110)


@dataclass
class Finds:
    """The same faces at every look, but nothing at the first ``misses`` looks at strangers."""

    faces: list[Detection]
    misses: int = 0
    looks: int = 0

    def __call__(self, rgb: Pixels, min_confidence: float) -> list[Detection]:
        self.looks += 1
        return [] if 1 < self.looks <= 1 + self.misses else self.faces


def _blind(vector: NDArray[np.float64], stream: Keystream) -> NDArray[np.float64]:
    """A vector made of the key alone; its norm is the given one's, to nine digits."""
    direction = stream.signs(len(vector)) * (stream.permutation(len(vector)) + 1.0)
    return direction * (float(f"{np.linalg.norm(vector):.9g}") / max(np.linalg.norm(direction), 1.0))


@pytest.fixture
def blind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.core.transform.rotate", _blind)


def _originals(portrait: Pixels, faces: list[Detection], parts: Parts) -> Iterator[bytes]:
    """Noise, and something dim and flat, in the place of the faces."""
    hidden = laid(faces, decode(encoded(portrait)), "face", parts.bundles).owner >= 0
    rng = np.random.default_rng(4)
    for values in (rng.integers(0, 256, portrait.shape), rng.normal(80, 15, portrait.shape).clip(0, 255)):
        yield encoded(np.where(hidden[..., None], values, portrait).astype(np.uint8))


@pytest.mark.usefixtures("blind")
@pytest.mark.parametrize(
    ("faces", "choices", "misses"),
    [
        pytest.param([SMALL], {}, 0, id="png"),
        pytest.param([LARGE], {}, 0, id="several pixels a cell"),
        pytest.param([SMALL, OVERLAPPING], {"depth": 16}, 0, id="png-16, overlapping"),
        pytest.param([LARGE], {"format": "jpeg"}, 0, id="jpeg"),
        pytest.param([SMALL, OVERLAPPING], {"format": "webp"}, 0, id="webp, overlapping"),
        pytest.param([SMALL], {}, 2, id="drawn again"),
    ],
)
def test_two_originals_give_one_picture(
    faces: list[Detection], choices: dict[str, Any], misses: int, parts: Parts, portrait: Pixels
) -> None:
    new = NewImage.begin(TENANT, Policy(), parts.keys)
    request = AnonymizeRequest(tenant=TENANT, **choices)
    made = [
        draw(
            data,
            request,
            replace(parts, detector=Finds(faces, misses)),
            begin=lambda: new,
            known=lambda digest: False,
        )
        for data in _originals(portrait, faces, parts)
    ]
    one, other = (decode(drawn.answer.data).pixels for drawn in made)
    assert np.array_equal(one, other)
    assert len({len(drawn.answer.data) for drawn in made}) == 1
    sealed = {(len(d.stored.record), len(d.stored.seal)) for d in made if d.stored and d.stored.seal}
    assert len(sealed) == 1


def test_without_that_two_originals_give_two(parts: Parts, portrait: Pixels) -> None:
    """What is compared above does depend on the rotated latent."""
    new = NewImage.begin(TENANT, Policy(), parts.keys)
    studio = replace(parts, detector=Finds([SMALL]))
    request = AnonymizeRequest(tenant=TENANT)
    one, other = (
        decode(draw(data, request, studio, begin=lambda: new, known=lambda digest: False).answer.data).pixels
        for data in _originals(portrait, [SMALL], parts)
    )
    assert not np.array_equal(one, other)
