"""An engine that is watched, and a photo of two faces."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from service.errors import VisardError


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


@pytest.fixture(scope="session")
def two_faces(portrait: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(220, 400, 3): the portrait and its mirror image."""
    return np.concatenate([portrait, portrait[:, ::-1]], axis=1)
