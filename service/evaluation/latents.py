"""How the latents of faces are spread in each band, before any key: what tau is chosen by."""

import math
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from service.core.bands import BandLayout
from service.evaluation.figures import Array, Distribution, Figures

BANDS = ("coarse", "middle", "fine", "leftover")


class BandFigures(Figures):
    """One band, over faces; a standard normal latent has 1 and 3.

    Attributes:
        deviation: norm per square root of a coefficient, of each face: where ``tau`` should lie.
        kurtosis: of the coefficients of each face.
    """

    deviation: Distribution
    kurtosis: Distribution


def measure_latents(latents: Iterable[tuple[Array, NDArray[np.bool_]]]) -> dict[str, BandFigures]:
    """Statistics by band, and of ``all`` bands together.

    Args:
        latents: (3, R, R) each, with its (R, R) mask.
    """
    spread: dict[str, list[tuple[float, float]]] = {name: [] for name in (*BANDS, "all")}
    for latent, generate in latents:
        bands = BandLayout.of(generate).split(latent)
        for name, values in zip(spread, [*bands, np.concatenate(bands)], strict=True):
            if values.size:
                spread[name].append(_moments(values))
    return {
        name: BandFigures(
            deviation=Distribution.over(deviation for deviation, _ in pairs),
            kurtosis=Distribution.over(kurtosis for _, kurtosis in pairs),
        )
        for name, pairs in spread.items()
    }


def _moments(values: Array) -> tuple[float, float]:
    """Root mean square, and fourth moment over the square of the second."""
    square = float((values**2).mean())
    return math.sqrt(square), float((values**4).mean()) / max(square**2, np.finfo(np.float64).tiny)
