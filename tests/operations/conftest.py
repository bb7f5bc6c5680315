"""Real parts on a small network: SQLite, local keys, CenterFace."""

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from service.assembly import open_parts
from service.errors import VisardError
from service.operations.parts import Parts
from service.settings import Settings

TENANT = "hospital"
Encoder = Callable[..., bytes]


@dataclass
class Watched:
    """An engine that remembers how many faces it was given, and for which weights; ``busy`` from the second time on."""

    engine: Any
    given: list[int] = field(default_factory=list)
    digests: set[bytes] = field(default_factory=set)
    busy: VisardError | None = None

    def anonymize(self, digest: bytes, plan: Any, tasks: Sequence[Any], progress: Any = None) -> Any:
        """As the engine does."""
        self.given.append(len(tasks))
        self.digests.add(digest)
        if self.busy is not None and len(self.given) > 1:
            raise self.busy
        return self.engine.anonymize(digest, plan, tasks, progress)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.engine, name)


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
