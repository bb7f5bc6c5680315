"""Parts to measure with: their keys and records are nobody's, and go with them."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from service.assembly import open_parts
from service.operations.parts import Parts
from service.settings import Settings

_KEPT = {"weights", "device", "max_upload_bytes", "max_pixels", "max_faces"}
"""What decides how faces are drawn. Nothing that is measured gets to where real keys, records or logs are."""


@contextmanager
def throwaway_parts() -> Iterator[tuple[Parts, Path]]:
    """Parts of the embedded set-up, and the folder they are in, which is removed behind the block.

    Raises:
        SettingsInvalid: a variable is unknown, or its value cannot be used.
        BundleInvalid: there are no usable weights.
    """
    kept = Settings().model_dump(include=_KEPT)
    with tempfile.TemporaryDirectory(prefix="visard-throwaway-") as home:
        yield open_parts(Settings.model_construct(**kept, home=Path(home))), Path(home)
