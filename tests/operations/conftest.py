"""Real parts on a small network: SQLite, local keys, CenterFace."""

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from service.assembly import open_parts
from service.operations.parts import Parts
from service.settings import Settings

TENANT = "hospital"
Encoder = Callable[..., bytes]


@pytest.fixture
def parts(tmp_path: Path, small_bundle: Path) -> Parts:
    made = open_parts(Settings(home=tmp_path / "home", weights=small_bundle))
    made.keys.create(TENANT)
    return made


@pytest.fixture(scope="session")
def two_faces(portrait: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(220, 400, 3): the portrait and its mirror image."""
    return np.concatenate([portrait, portrait[:, ::-1]], axis=1)


@pytest.fixture(scope="session")
def encoded() -> Encoder:
    def encode(pixels: NDArray[np.uint8], kind: str = "PNG", **options: object) -> bytes:
        out = io.BytesIO()
        Image.fromarray(pixels).save(out, kind, **options)
        return out.getvalue()

    return encode
