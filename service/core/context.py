"""What the denoiser is told besides x_t: identical in both directions."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, Self

import torch
from torch import Tensor
from torch.nn.functional import pixel_unshuffle

CHANNELS = 3
NETWORK_PLANES = 2 * CHANNELS + 3
"""Planes of the network input on the R-grid: x_t, known pixels, two masks, landmarks."""


@dataclass(frozen=True, slots=True)
class Context:
    """The conditioning of B faces on the R-grid. A cell neither generated nor visible is unknown.

    Attributes:
        known: (B, 3, R, R) float32 in [-1, 1]; zero wherever ``visible`` is false.
        generate: (B, 1, R, R) bool, the cells the latent lives on.
        visible: (B, 1, R, R) bool, the cells whose clean value both sides see.
        landmarks: (B, 1, R, R) float32 in [0, 1], heat map of the five landmarks.
    """

    known: Tensor
    generate: Tensor
    visible: Tensor
    landmarks: Tensor

    def __len__(self) -> int:
        return self.known.shape[0]

    def to(self, device: torch.device) -> Self:
        """The same context on ``device``."""
        return type(self)(*(moved(plane, device) for plane in self._planes()))

    def select(self, faces: slice | Tensor) -> Self:
        """The context of a range of faces, or of those a (B,) bool or integer tensor picks."""
        return type(self)(*(plane[faces] for plane in self._planes()))

    @classmethod
    def stack(cls, contexts: Sequence["Context"]) -> Self:
        """Concatenate contexts along the face axis."""
        return cls(*(torch.cat(planes) for planes in zip(*(c._planes() for c in contexts), strict=True)))

    def _planes(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        return self.known, self.generate, self.visible, self.landmarks


def moved(x: Tensor, device: torch.device) -> Tensor:
    """The same tensor on ``device``; on the way to a GPU from pinned memory, so that nobody waits for the copy."""
    if device.type == "cuda" and x.device.type == "cpu":
        return x.pin_memory().to(device, non_blocking=True)
    return x.to(device)


class Denoiser(Protocol):
    """A network, or an analytic stand-in, that predicts v."""

    def __call__(self, x: Tensor, t: Tensor, context: Context) -> Tensor:
        """Predict v.

        Args:
            x: (B, 3, R, R) float64 x_t, zero outside ``context.generate``.
            t: (B,) float64 times in [0, 1].
            context: the conditioning of the same B faces.

        Returns:
            (B, 3, R, R) float64 v, zero outside ``context.generate``.
        """
        ...


def network_input(x: Tensor, context: Context, patch: int) -> Tensor:
    """Stack x_t and the context and fold ``patch`` x ``patch`` cells into channels.

    Returns:
        (B, NETWORK_PLANES * patch^2, R / patch, R / patch) in the dtype of ``x``.
    """
    dtype = x.dtype
    planes = [
        x,
        context.known.to(dtype),
        context.generate.to(dtype),
        context.visible.to(dtype),
        context.landmarks.to(dtype),
    ]
    return pixel_unshuffle(torch.cat(planes, dim=1), patch)


def landmark_map(points: Tensor, resolution: int) -> Tensor:
    """Heat map of landmarks: a Gaussian of R/40 cells at each point, the maximum of them taken.

    Args:
        points: (B, P, 2) float64 x, y in R-grid cells; cell centres are at + 0.5.
        resolution: R.

    Returns:
        (B, 1, R, R) float32 in [0, 1].
    """
    centres = torch.arange(resolution, dtype=torch.float64, device=points.device) + 0.5
    sigma = resolution / 40
    gx = torch.exp(-((centres - points[..., :1]) ** 2) / (2 * sigma**2))
    gy = torch.exp(-((centres - points[..., 1:]) ** 2) / (2 * sigma**2))
    return (gy[..., :, None] * gx[..., None, :]).amax(dim=1, keepdim=True).float()
