"""A lossless file whose pixels were a JPEG once: its coding blocks are replaced whole, as those of a JPEG are."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from service.faces.layout import owner_map
from service.imaging import decode
from service.operations.anonymize import AnonymizeRequest, anonymize
from service.operations.parts import Parts
from service.operations.recover import RecoverRequest, recover
from tests.conftest import TENANT
from tests.files import encoded

Pixels = NDArray[np.uint8]

REQUEST = AnonymizeRequest(tenant=TENANT)
ASK = RecoverRequest(tenant=TENANT, subject="auditor", reason="court order")
BLOCK = 16


def _in_blocks(plane: NDArray[np.generic], x: int, y: int) -> NDArray[np.generic]:
    """(rows, 16, columns, 16) of a JPEG that lacks its first x columns and y rows; what lies outside is 0."""
    height, width = plane.shape
    whole = np.pad(plane, ((y, -(height + y) % BLOCK), (x, -(width + x) % BLOCK)))
    return whole.reshape(whole.shape[0] // BLOCK, BLOCK, -1, BLOCK)


@pytest.mark.parametrize(
    ("kind", "options", "x", "y"),
    [
        ("PNG", {}, 0, 0),
        ("PNG", {}, 3, 5),
        ("TIFF", {}, 3, 5),
        ("BMP", {}, 3, 5),
        ("WEBP", {"lossless": True}, 3, 5),
    ],
)
def test_no_block_is_replaced_in_part(
    kind: str, options: dict[str, bool], x: int, y: int, parts: Parts, portrait: Pixels
) -> None:
    original = np.ascontiguousarray(decode(encoded(portrait, "JPEG", quality=90)).pixels[y:, x:])
    made = anonymize(encoded(original, kind, **options), REQUEST, parts)
    shown = decode(made.data)
    changed = _in_blocks((shown.pixels != original).any(axis=-1), x, y)
    masked = _in_blocks(owner_map(made.faces, original.shape[:2], None) >= 0, x, y).any(axis=(1, 3))
    inside = _in_blocks(np.ones(original.shape[:2], np.bool_), x, y)
    assert 20 < masked.sum() < masked.size / 2
    # A generated pixel may meet the old value by chance.
    assert (changed.sum(axis=(1, 3)) > 0.9 * inside.sum(axis=(1, 3)))[masked].all()
    # One pixel around the blocks changes too.
    assert (changed.sum(axis=(1, 3)) < 4 * BLOCK)[~masked].all()

    assert shown.grid is None
    assert np.array_equal(decode(recover(made.data, ASK, parts).data).pixels, original)
    assert (recover(made.data, replace(ASK, fidelity="generative"), parts).confidence or 0) > 0.9


@pytest.mark.parametrize(("kind", "quality"), [("JPEG", 98), ("JPEG", 100), ("WEBP", 100)])
def test_no_first_block_is_replaced_in_part_where_a_jpeg_was_cropped_and_saved_again(
    kind: str, quality: int, parts: Parts, portrait: Pixels
) -> None:
    x, y = 3, 5
    cropped = np.ascontiguousarray(decode(encoded(portrait, "JPEG", quality=90)).pixels[y:, x:])
    file = encoded(cropped, kind, quality=quality)
    original = decode(file).pixels
    made = anonymize(file, replace(REQUEST, format="png"), parts)
    changed = _in_blocks((decode(made.data).pixels != original).any(axis=-1), x, y)
    masked = _in_blocks(owner_map(made.faces, original.shape[:2], None) >= 0, x, y).any(axis=(1, 3))
    inside = _in_blocks(np.ones(original.shape[:2], np.bool_), x, y)
    assert 20 < masked.sum() < masked.size / 2
    assert (changed.sum(axis=(1, 3)) > 0.9 * inside.sum(axis=(1, 3)))[masked].all()

    assert np.array_equal(decode(recover(made.data, ASK, parts).data).pixels, original)
    assert (recover(made.data, replace(ASK, fidelity="generative"), parts).confidence or 0) > 0.9


def test_the_grid_of_a_picture_that_never_was_a_jpeg_is_none(parts: Parts, portrait: Pixels) -> None:
    made = anonymize(encoded(portrait), REQUEST, parts)
    changed = (decode(made.data).pixels != portrait).any(axis=-1)
    assert not changed[owner_map(made.faces, portrait.shape[:2], None) < 0].any()
