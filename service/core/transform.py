"""The keyed transform of one face's latent, by scheme, and its inverse.

``band-rotation`` (default) rotates inside each Haar band, ``rotation`` over the whole mask;
``signflip`` is the published scheme (arXiv 2510.01031, sec. 3.2), kept for comparison: it leaves
every magnitude public.
"""

import math
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from service.core.bands import BandLayout
from service.core.keystream import Keystream
from service.core.rotation import flip_signs, rotate, rotate_back

Scheme = Literal["band-rotation", "rotation", "signflip"]
SCHEMES: tuple[Scheme, ...] = get_args(Scheme)

Array = NDArray[np.float64]
Norms = tuple[float, float, float, float]
"""Norm of each group before scaling: secret side information. Zero for an absent or silent group."""
Taus = tuple[float, float, float, float]
"""Norm per square root of a coefficient that coarse, middle, fine and leftover are scaled to."""

_NO_NORMS: Norms = (0.0, 0.0, 0.0, 0.0)


def hide(latent: Array, generate: NDArray[np.bool_], key: bytes, scheme: Scheme, taus: Taus) -> tuple[Array, Norms]:
    """Transform a latent with a key.

    Args:
        latent: (3, R, R) float64, zero outside ``generate``.
        generate: (R, R) bool.
        key: 32 bytes, used for this face of this record only.
        taus: what every group is scaled to; a rotation over the whole mask takes the norm of all of them together.

    Returns:
        The transformed latent, and the norms that ``reveal`` needs.
    """
    layout, stream = BandLayout.of(generate), Keystream(key)
    groups, targets = _groups(latent, layout, scheme, taus)
    if scheme == "signflip":
        return _joined([flip_signs(g, stream) for g in groups], layout, scheme, latent), _NO_NORMS
    norms = [float(np.linalg.norm(group)) for group in groups]
    scaled = [_scaled(*group) for group in zip(groups, norms, targets, strict=True)]
    hidden = _joined([rotate(g, stream) for g in scaled], layout, scheme, latent)
    padded = (*norms, *_NO_NORMS)[:4]
    return hidden, (padded[0], padded[1], padded[2], padded[3])


def reveal(
    latent: Array, generate: NDArray[np.bool_], key: bytes, scheme: Scheme, taus: Taus, norms: Norms
) -> tuple[Array, float]:
    """Invert ``hide``.

    Returns:
        The latent, and how far the transformed one had strayed: the largest relative difference between the norm of
        a group and what ``hide`` had scaled it to. 0 for sign flips, which scale nothing.
    """
    layout, stream = BandLayout.of(generate), Keystream(key)
    groups, targets = _groups(latent, layout, scheme, taus)
    if scheme == "signflip":
        return _joined([flip_signs(g, stream) for g in groups], layout, scheme, latent), 0.0
    back = [rotate_back(group, stream) for group in groups]
    restored = [_scaled(*group) for group in zip(back, targets, norms[: len(back)], strict=True)]
    heard = [(g, target) for g, target, norm in zip(groups, targets, norms, strict=False) if target > 0 and norm > 0]
    strayed = max((abs(float(np.linalg.norm(group)) / target - 1) for group, target in heard), default=0.0)
    return _joined(restored, layout, scheme, latent), strayed


def _groups(latent: Array, layout: BandLayout, scheme: Scheme, taus: Taus) -> tuple[list[Array], list[float]]:
    """The coefficients that are transformed together, and the norm that each group is scaled to."""
    bands = layout.split(latent)
    targets = [tau * math.sqrt(len(band)) for tau, band in zip(taus, bands, strict=True)]
    return (bands, targets) if scheme == "band-rotation" else ([np.concatenate(bands)], [math.hypot(*targets)])


def _joined(groups: list[Array], layout: BandLayout, scheme: Scheme, like: Array) -> Array:
    if scheme != "band-rotation":
        sizes = [len(band) for band in layout.split(like)]
        groups = np.split(groups[0], np.cumsum(sizes)[:-1])
    return layout.join(groups, (like.shape[0], like.shape[1], like.shape[2]))


def _scaled(group: Array, norm: float, target: float) -> Array:
    """A silent group (norm zero) has no direction to keep: it stays zero."""
    return group * (target / norm) if norm > 0 else group * 0.0
