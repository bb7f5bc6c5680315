"""Sample sheets: what the network draws for unseen noise, beside the photos it was given."""

from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor

from service.core.context import Context, Denoiser
from service.core.schedule import cos_sin


@torch.inference_mode()
def sample_ddim(denoiser: Denoiser, context: Context, noise: Tensor, steps: int) -> Tensor:
    """Plain DDIM (Song et al. 2021, eq. 12) from t = 0.995 to 0.02: a look, not the product's solver.

    Args:
        noise: (B, 3, R, R) float64.

    Returns:
        (B, 3, R, R) float64 pixels in about [-1, 1], zero outside ``context.generate``.
    """
    times = 0.02 + 0.975 * torch.linspace(1, 0, steps + 1, dtype=torch.float64) ** 2
    x = noise * context.generate
    for a, b in pairwise(times):
        v = denoiser(x, a.expand(len(context)), context)
        cos_a, sin_a = cos_sin(a)
        cos_b, sin_b = cos_sin(b)
        x = cos_b * (cos_a * x - sin_a * v) + sin_b * (sin_a * x + cos_a * v)
    return x


def write_sheet(path: Path, clean: Tensor, context: Context, generated: list[Tensor], columns: int = 4) -> None:
    """Write rows of (photo, masked photo, one picture per generated tensor) as a PNG.

    Args:
        clean: (B, 3, R, R) in [-1, 1].
        generated: each (B, 3, R, R), meaningful inside ``context.generate``.
    """
    masked = clean * ~context.generate
    pictures = [clean, masked, *(torch.where(context.generate, g.to(clean.dtype), clean) for g in generated)]
    cells = torch.stack(pictures, dim=1).clamp(-1, 1)  # (B, P, 3, R, R)
    batch, per_face, _, resolution, _ = cells.shape
    rows = -(-batch // columns)
    canvas = np.full((rows * resolution, columns * per_face * resolution, 3), 255, np.uint8)
    images = ((cells + 1) * 127.5).round().byte().permute(0, 1, 3, 4, 2).numpy()
    for i in range(batch):
        top, left = (i // columns) * resolution, (i % columns) * per_face * resolution
        canvas[top : top + resolution, left : left + per_face * resolution] = np.concatenate(images[i], axis=1)
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), cv2.cvtColor(canvas, cv2.COLOR_RGB2BGR))
