"""What an adversary without the key may compute from an image file and its record."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray

from service.core.bands import BandLayout
from service.core.context import Context
from service.core.scheme import Plan, levels_to_model
from service.core.solver import integrate
from service.engine import MAX_BATCH, Networks
from service.evaluation.figures import Array
from service.faces.crops import FaceView

Clues = dict[str, float]
_BANDS = ("coarse", "middle", "fine")


@dataclass(frozen=True, slots=True)
class Seen:
    """One face as the adversary sees it.

    Attributes:
        pixels: (3, R, R) in [-1, 1], zero outside the mask.
        latent: (3, R, R), inverted without a key.
    """

    pixels: Array = field(repr=False)
    latent: Array = field(repr=False)


def see(views: Sequence[FaceView], networks: Networks, digest: bytes, plan: Plan) -> Iterator[Seen]:
    """Invert faces along the probability-flow ODE: nothing in it is secret."""
    denoiser, times = networks.denoiser(digest), plan.times().to(networks.device)
    for start in range(0, len(views), MAX_BATCH):
        batch = views[start : start + MAX_BATCH]
        context = Context.stack([view.context() for view in batch]).to(networks.device)
        levels = torch.cat([levels_to_model(view.inside.values, view.top) for view in batch])
        pixels = levels.to(networks.device) * context.generate
        with torch.inference_mode():
            latents = integrate(denoiser, pixels, context, times, plan.evaluations)
        for face, latent in zip(pixels.cpu().numpy(), latents.cpu().numpy(), strict=True):
            yield Seen(face, latent)


def file_clues(file: bytes, record: bytes, seconds: float) -> Clues:
    """Lengths, time, and how the record's bytes look."""
    return {
        "file length": float(len(file)),
        "record length": float(len(record)),
        "record mean byte": float(np.frombuffer(record, np.uint8).mean()) if record else 0.0,
        "seconds": seconds,
    }


def face_clues(shown: Seen, one: Seen, other: Seen, generate: NDArray[np.bool_]) -> Clues:
    """Statistics of pixels and latent of an anonymized face, and which candidate they are more like.

    Args:
        one, other: the candidates, inverted like the anonymized face.
        generate: (R, R) bool, the mask.
    """
    layout = BandLayout.of(generate)
    inside = shown.pixels[:, generate]
    clues = {f"pixel {name}": value for name, value in _moments(inside).items()}
    clues |= {f"mean {colour}": float(plane.mean()) for colour, plane in zip("rgb", inside, strict=True)}
    for kind in ("pixels", "latent"):
        mine, first, second = (getattr(seen, kind) for seen in (shown, one, other))
        clues[f"{kind} match"] = _match(mine, first, second)
        clues[f"{kind} magnitude match"] = _match(abs(mine), abs(first), abs(second))
        bands = zip(_BANDS, layout.split(mine), layout.split(first), layout.split(second), strict=False)
        for name, band, of_one, of_other in bands:
            clues[f"{kind} {name} energy"] = float((band**2).mean()) if band.size else 0.0
            clues[f"{kind} {name} kurtosis"] = _moments(band)["kurtosis"]
            clues[f"{kind} {name} match"] = _match(abs(band), abs(of_one), abs(of_other))
    return clues


def _match(shown: Array, one: Array, other: Array) -> float:
    """Positive when ``shown`` lies nearer to ``one`` than to ``other``."""
    return float(((shown - other) ** 2).sum() - ((shown - one) ** 2).sum())


def _moments(values: Array) -> dict[str, float]:
    if not values.size or values.std() == 0:
        return {"mean": float(values.mean()) if values.size else 0.0, "std": 0.0, "skew": 0.0, "kurtosis": 0.0}
    mean, std = float(values.mean()), float(values.std())
    z = (values - mean) / std
    return {"mean": mean, "std": std, "skew": float((z**3).mean()), "kurtosis": float((z**4).mean())}
