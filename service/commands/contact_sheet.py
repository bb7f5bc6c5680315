"""Labelled pictures side by side, as one PNG."""

import io
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

_LABEL = 26
_GAP = 8
_MAX_SIDE = 420
_COLUMNS = 3


def contact_sheet(pictures: Sequence[tuple[str, NDArray[np.uint8]]]) -> bytes:
    """A PNG of (label, (H, W, 3) uint8) pictures of one size, shrunk to at most 420 pixels a side."""
    images = [Image.fromarray(pixels) for _, pixels in pictures]
    for image in images:
        image.thumbnail((_MAX_SIDE, _MAX_SIDE), Image.Resampling.LANCZOS)
    width, height = images[0].size
    rows = -(-len(images) // _COLUMNS)
    size = (_COLUMNS * (width + _GAP) + _GAP, rows * (height + _LABEL + _GAP) + _GAP)
    sheet = Image.new("RGB", size, "white")
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(size=15)
    for index, ((label, _), image) in enumerate(zip(pictures, images, strict=True)):
        x = _GAP + (index % _COLUMNS) * (width + _GAP)
        y = _GAP + (index // _COLUMNS) * (height + _LABEL + _GAP)
        draw.text((x, y + 3), label, fill="black", font=font)
        sheet.paste(image, (x, y + _LABEL))
    out = io.BytesIO()
    sheet.save(out, "PNG")
    return out.getvalue()
