"""The latent of one face as groups of coefficients: three Haar bands and the leftover cells.

Errors that JPEG makes later sit in the fine band; a rotation inside each band keeps them there.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

BLOCK = 4
"""Side of the Haar blocks, in cells."""

Array = NDArray[np.float64]


def _haar_matrix() -> Array:
    """(16, 16) orthonormal two-level Haar transform of a 4x4 block: 1 coarse, 3 middle, 12 fine rows."""
    one = np.array([[1, 1, 1, 1], [1, 1, -1, -1], [1, -1, 0, 0], [0, 0, 1, -1]], dtype=np.float64)
    one[:2] *= 0.5
    one[2:] *= np.sqrt(0.5)
    low, middle, fine = one[:1], one[1:2], one[2:]
    average = np.array([[1, 1, 0, 0], [0, 0, 1, 1]]) * np.sqrt(0.5)
    level_two = [(low, low), (low, middle), (middle, low), (middle, middle)]
    level_one = [(average, fine), (fine, average), (fine, fine)]
    return np.concatenate([np.kron(rows, columns) for rows, columns in level_two + level_one])


_HAAR = _haar_matrix()
_SIZES = (1, 3, 12)  # of coarse, middle and fine in a block


@dataclass(frozen=True, slots=True)
class BandLayout:
    """Where the coefficients of one face come from.

    Attributes:
        blocks: (M, 2) row and column of the blocks whose 16 cells are all generated.
        leftover: (R, R) bool, the generated cells of all other blocks.
    """

    blocks: NDArray[np.intp]
    leftover: NDArray[np.bool_]

    @classmethod
    def of(cls, generate: NDArray[np.bool_]) -> "BandLayout":
        """The layout of an (R, R) mask of generated cells; R is a multiple of BLOCK."""
        side = generate.shape[0] // BLOCK
        full = generate.reshape(side, BLOCK, side, BLOCK).all(axis=(1, 3))
        return cls(np.argwhere(full), generate & ~full.repeat(BLOCK, 0).repeat(BLOCK, 1))

    def split(self, latent: Array) -> list[Array]:
        """(3, R, R) latent to four vectors: coarse, middle, fine (colours together), leftover."""
        side = latent.shape[-1] // BLOCK
        tiles = latent.reshape(-1, side, BLOCK, side, BLOCK)[:, self.blocks[:, 0], :, self.blocks[:, 1], :]
        coefficients = tiles.reshape(*tiles.shape[:2], BLOCK * BLOCK) @ _HAAR.T
        bands = np.split(coefficients, np.cumsum(_SIZES)[:-1], axis=-1)
        return [*(band.ravel() for band in bands), latent[:, self.leftover].ravel()]

    def join(self, groups: list[Array], shape: tuple[int, int, int]) -> Array:
        """Invert ``split``; cells that are not generated become zero."""
        count = len(self.blocks)
        *bands, leftover = groups
        shaped = [band.reshape(count, shape[0], size) for band, size in zip(bands, _SIZES, strict=True)]
        coefficients = np.concatenate(shaped, axis=-1)
        latent = np.zeros(shape)
        side = shape[-1] // BLOCK
        tiles = latent.reshape(-1, side, BLOCK, side, BLOCK)
        cells = (coefficients @ _HAAR).reshape(count, shape[0], BLOCK, BLOCK)
        tiles[:, self.blocks[:, 0], :, self.blocks[:, 1], :] = cells
        latent[:, self.leftover] = leftover.reshape(shape[0], -1)
        return latent
