"""Pictures as files."""

import io
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image


def encoded(pixels: NDArray[np.uint8], kind: str = "PNG", **options: Any) -> bytes:
    """What Pillow writes.

    Args:
        kind: of file, as Pillow names it.
        options: of its encoder.
    """
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, kind, **options)
    return out.getvalue()
