"""Sheets of faces to be looked at."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from service.evaluation.fidelity import Returned, Shown
from service.evaluation.portraits import Pixels
from service.evaluation.studio import Studio
from service.faces.layout import PlacedFace

_SIDE = 128
_LABEL = 14
_COLUMNS = 4
_ACROSS = 10
_LETTERS = 34
_AROUND = 0.8  # of the longer side of the box, from its centre

Row = tuple[str, list[Pixels]]


def write_shown(shown: Sequence[Shown], path: Path) -> None:
    """Original and anonymized, at the photo's own resolution."""
    rows = []
    for one in shown:
        face = max(one.made.faces, key=_area)
        pictures = (one.original, one.made.picture)
        rows.append((one.name, [cut_face(np.asarray(picture.pixels), face) for picture in pictures]))
    write_rows(rows, path)


def write_returned(returned: Iterable[Returned], studio: Studio, path: Path) -> None:
    """Original, anonymized, recovered from pixels and key, and recovered with a wrong key, at k = 1."""
    rows = []
    for one in returned:
        face = max(one.made.faces, key=_area)
        pictures = (one.original, one.made.picture, one.recovered, studio.wrong_key(one.made))
        rows.append((one.portrait.name, [cut_face(np.asarray(picture.pixels), face) for picture in pictures]))
    write_rows(rows, path)


def _area(face: PlacedFace) -> int:
    left, top, right, bottom = face.box
    return (right - left) * (bottom - top)


def cut_face(pixels: Pixels, face: PlacedFace) -> Pixels:
    """(128, 128, 3), the face with some of its surroundings."""
    left, top, right, bottom = face.box
    half = max(1, round(max(right - left, bottom - top) * _AROUND))
    x, y = (left + right) // 2, (top + bottom) // 2
    padded = np.pad(pixels, ((half, half), (half, half), (0, 0)), mode="edge")
    square = padded[max(0, y) : y + 2 * half, max(0, x) : x + 2 * half]
    return np.asarray(cv2.resize(square, (_SIDE, _SIDE), interpolation=cv2.INTER_CUBIC), np.uint8)


def write_grid(faces: Sequence[Pixels], path: Path) -> None:
    """Faces of one size side by side, row by row."""
    if not faces:
        return
    side = faces[0].shape[0]
    sheet = Image.new("RGB", (min(_ACROSS, len(faces)) * side, -(-len(faces) // _ACROSS) * side), "white")
    for index, face in enumerate(faces):
        sheet.paste(Image.fromarray(face), (index % _ACROSS * side, index // _ACROSS * side))
    sheet.save(path)


def write_rows(rows: Sequence[Row], path: Path) -> None:
    """Rows side by side in columns, each with its name above."""
    if not rows:
        return
    across, height = len(rows[0][1]) * _SIDE + 8, _SIDE + _LABEL
    sheet = Image.new("RGB", (_COLUMNS * across, -(-len(rows) // _COLUMNS) * height), "white")
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(size=10)
    for index, (name, pictures) in enumerate(rows):
        x, y = (index % _COLUMNS) * across, (index // _COLUMNS) * height
        draw.text((x, y + 1), name[:_LETTERS], fill="black", font=font)
        sheet.paste(Image.fromarray(np.concatenate(pictures, axis=1)), (x, y + _LABEL))
    sheet.save(path)
