"""Between Pillow images and arrays. Pillow is handed only files whose headers were checked and rebuilt here."""

import io
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

_ROWS = 256

# The limit on pixels is ours, checked from the header before Pillow sees the file.
Image.MAX_IMAGE_PIXELS = None


def open_as(data: bytes, plugin: Literal["JPEG", "PNG", "WEBP", "TIFF", "BMP"]) -> Image.Image:
    """Open ``data`` with one Pillow plugin and no other. Raises whatever the plugin raises."""
    return Image.open(io.BytesIO(data), formats=[plugin])


def rgb_and_alpha(image: Image.Image, has_alpha: bool) -> tuple[NDArray[np.uint8], NDArray[np.uint8] | None]:
    """Decode fully; return (H, W, 3) uint8 and, when ``has_alpha``, (H, W) uint8."""
    image.load()
    mode = "RGBA" if has_alpha else "RGB"
    if image.mode != mode:
        image = image.convert(mode)
    pixels = np.empty((image.height, image.width, 3), np.uint8)
    alpha = np.empty((image.height, image.width), np.uint8) if has_alpha else None
    # By bands of rows: exporting a large image at once costs two more copies of it.
    for top in range(0, image.height, _ROWS):
        bottom = min(top + _ROWS, image.height)
        band = np.asarray(image.crop((0, top, image.width, bottom)))
        pixels[top:bottom] = band[..., :3]
        if alpha is not None:
            alpha[top:bottom] = band[..., 3]
    return pixels, alpha


def samples(image: Image.Image) -> NDArray[np.uint8]:
    """Decode fully; return the (H, W) bytes of a mode ``L`` or ``1`` image, the latter as 0 and 255."""
    image.load()
    return np.asarray(image.convert("L"))


def save_as(
    pixels: NDArray[np.uint8], alpha: NDArray[np.uint8] | None, plugin: Literal["JPEG", "PNG", "WEBP"], **options: Any
) -> bytes:
    """Encode 8-bit pixels with one Pillow plugin."""
    image = Image.fromarray(pixels if alpha is None else np.dstack((pixels, alpha)))
    buffer = io.BytesIO()
    image.save(buffer, plugin, **options)
    return buffer.getvalue()
