"""Cutting a face's crop out of the image, as cells, and pasting its pixels back."""

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from service.core.context import Context, landmark_map
from service.core.lattice import Lattice
from service.core.resample import Cells, down, up
from service.core.scheme import levels_to_model
from service.faces.layout import NO_FACE, PlacedFace

Pixels = NDArray[np.uint8 | np.uint16]
_T = TypeVar("_T", bound=np.generic)


@dataclass(frozen=True, slots=True)
class FaceView:
    """What one face's crop shows.

    Attributes:
        face: where it lies.
        owned: (side, side) bool, the pixels the face owns.
        inside: cells of the owned pixels.
        around: cells that are wholly free of any face's pixels.
        top: largest level, 255 or 65535.
    """

    face: PlacedFace
    owned: NDArray[np.bool_]
    inside: Cells
    around: Cells
    top: int

    def context(self) -> Context:
        """The conditioning of this one face."""
        generate, visible = self.inside.counts > 0, self.around.counts > 0
        known = levels_to_model(self.around.values, self.top) * torch.from_numpy(visible)
        points = torch.from_numpy(self.face.cell_landmarks())[None]
        return Context(
            known=known.float(),
            generate=torch.from_numpy(generate)[None, None],
            visible=torch.from_numpy(visible)[None, None],
            landmarks=landmark_map(points, self.face.resolution),
        )


def view_face(pixels: Pixels, owner: NDArray[np.int16], index: int, face: PlacedFace) -> FaceView:
    """See face ``index`` of an image through the owner map.

    Args:
        pixels: (H, W, 3) uint8 or uint16.
        owner: (H, W), see ``layout.owner_map``.
    """
    crop, owners, lattice = _cut(pixels, face, 0), _cut(owner, face, NO_FACE), face.lattice
    in_image = _cut(np.ones(owner.shape, np.bool_), face, False)
    owned = owners == index
    free = np.asarray(~lattice.tiles(owners != NO_FACE).any(axis=2))
    around = in_image & lattice.spread(free)
    top = np.iinfo(pixels.dtype).max
    return FaceView(face, owned, down(crop, owned, lattice), down(crop, around, lattice), top)


def paste_face(pixels: Pixels, view: FaceView, values: NDArray[np.float64]) -> None:
    """Write cells into the owned pixels of ``pixels``, in place.

    Args:
        values: (R, R, 3) quantized levels (see ``core.resample.quantized``).
    """
    crop = up(values, view.owned, view.around, view.face.lattice, view.top)
    rows, columns, inner = _overlap(view.face, (pixels.shape[0], pixels.shape[1]))
    target, mask = pixels[rows, columns], view.owned[inner]
    target[mask] = crop[inner][mask].astype(pixels.dtype)


def thumbnail(view_pixels: Pixels, face: PlacedFace) -> bytes:
    """64 bytes: an 8 x 8 grey picture of the crop, to tell a recompressed image from another one.

    Args:
        view_pixels: (H, W, 3), the whole anonymized image.
    """
    cells = Lattice(8, face.side)
    seen = np.ones((face.side, face.side), np.bool_)
    means: NDArray[np.float64] = down(_cut(view_pixels, face, 0), seen, cells).values.mean(axis=2)
    return np.rint(means * (255 / np.iinfo(view_pixels.dtype).max)).astype(np.uint8).tobytes()


def _cut(array: NDArray[_T], face: PlacedFace, fill: int | bool) -> NDArray[_T]:
    crop = np.full((face.side, face.side, *array.shape[2:]), fill, array.dtype)
    rows, columns, inner = _overlap(face, (array.shape[0], array.shape[1]))
    crop[inner] = array[rows, columns]
    return crop


def _overlap(face: PlacedFace, size: tuple[int, int]) -> tuple[slice, slice, tuple[slice, slice]]:
    """Rows and columns of the image under the crop, and the same region inside the crop."""
    x, y = face.origin
    top, left = min(max(0, y), size[0]), min(max(0, x), size[1])
    bottom, right = max(top, min(size[0], y + face.side)), max(left, min(size[1], x + face.side))
    inner = (slice(top - y, bottom - y), slice(left - x, right - x))
    return slice(top, bottom), slice(left, right), inner
