"""Where the faces of a new image lie, and which weights draw them."""

from dataclasses import astuple, dataclass, replace

import numpy as np
from numpy.typing import NDArray

from service.faces.detection import Detection
from service.faces.layout import CodingBlocks, PlacedFace, owner_map, place
from service.faces.masks import Coverage
from service.imaging import Picture, whole_blocks_of
from service.weights.bundles import Bundle, Bundles


@dataclass(frozen=True, slots=True)
class NewScene:
    """The faces that are to be replaced.

    Attributes:
        faces: as they are placed on the grid of the weights.
        owner: (H, W) int16, which face owns which pixel.
        coding_grid: coding blocks of a lossy input, and of the JPEG that the pixels were before.
        bundle: draws them all.
    """

    faces: tuple[PlacedFace, ...]
    owner: NDArray[np.int16]
    coding_grid: CodingBlocks | None
    bundle: Bundle


def laid(found: list[Detection], picture: Picture, coverage: Coverage, bundles: Bundles) -> NewScene:
    """Place faces. The small weights draw them if they have a cell for every pixel of each, else the default ones."""
    if found:
        picture = replace(picture, grid=whole_blocks_of(picture, [face.box for face in found]))
    if bundles.small is not None:
        scene = _laid(found, picture, coverage, bundles.small)
        if all(face.scale == 1 for face in scene.faces):
            return scene
    return _laid(found, picture, coverage, bundles.default)


def _laid(found: list[Detection], picture: Picture, coverage: Coverage, bundle: Bundle) -> NewScene:
    """Place the faces, without those that others cover wholly."""
    size = (picture.pixels.shape[0], picture.pixels.shape[1])
    coding_grid = None if picture.grid is None else astuple(picture.grid)
    resolution = bundle.manifest.numerics.resolution
    faces = [place(face, coverage, resolution, size, coding_grid) for face in found]
    owner = owner_map(faces, size, coding_grid)
    owning = set(np.unique(owner).tolist())
    if not owning.issuperset(range(len(faces))):
        faces = [face for i, face in enumerate(faces) if i in owning]
        owner = owner_map(faces, size, coding_grid)
    return NewScene(tuple(faces), owner, coding_grid, bundle)
