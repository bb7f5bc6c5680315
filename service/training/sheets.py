"""Sample sheets: what the network draws for unseen noise, beside the photos it was given."""

from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor

from service.core.context import Context

_COLUMNS = 4


def write_sheet(path: Path, clean: Tensor, context: Context, generated: list[Tensor]) -> None:
    """Write rows of (photo, what the network is shown of it, one picture per generated tensor) as a PNG.

    Args:
        clean: (B, 3, R, R) in [-1, 1].
        generated: each (B, 3, R, R), meaningful inside ``context.generate``.
    """
    pictures = [clean, context.known, *(torch.where(context.generate, g.to(clean.dtype), clean) for g in generated)]
    cells = torch.stack(pictures, dim=1).clamp(-1, 1)  # (B, P, 3, R, R)
    batch, per_face, _, resolution, _ = cells.shape
    rows = -(-batch // _COLUMNS)
    canvas = np.full((rows * resolution, _COLUMNS * per_face * resolution, 3), 255, np.uint8)
    images = ((cells + 1) * 127.5).round().byte().permute(0, 1, 3, 4, 2).numpy()
    for i in range(batch):
        top, left = (i // _COLUMNS) * resolution, (i % _COLUMNS) * per_face * resolution
        canvas[top : top + resolution, left : left + per_face * resolution] = np.concatenate(images[i], axis=1)
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), cv2.cvtColor(canvas, cv2.COLOR_RGB2BGR))
