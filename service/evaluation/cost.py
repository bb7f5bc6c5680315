"""What a face costs: this solver against 50 + 50 steps of explicit DDIM on the same network, by turns."""

import os
import time
from collections.abc import Callable
from statistics import median

import torch
from torch import Tensor

from service.core.ddim import invert_ddim, sample_ddim
from service.core.keystream import KEY_BYTES
from service.core.scheme import anonymize
from service.core.solver import Progress
from service.engine import FaceTask
from service.evaluation.figures import Figures
from service.evaluation.portraits import Portrait, task
from service.evaluation.studio import Studio
from service.operations.custody import plan_for

_DDIM_STEPS = 50


class CostFigures(Figures):
    """One face there and back through the latent, alone in its batch.

    Attributes:
        evaluations: of the network, per direction, counted.
        seconds: to anonymize a face, median over rounds.
        ddim_evaluations: the same of explicit DDIM.
        ddim_seconds: the same of explicit DDIM.
        rounds: how often each was timed, by turns.
        threads: that torch used.
        device: where the network was.
    """

    evaluations: int
    seconds: float
    ddim_evaluations: int
    ddim_seconds: float
    rounds: int
    threads: int
    device: str


def measure_cost(portrait: Portrait, studio: Studio, rounds: int) -> CostFigures:
    """Time the main face of a portrait."""
    bundles = studio.parts.bundles
    bundle, denoiser = bundles.default, bundles.denoiser(bundles.default.digest)
    plan = plan_for(bundle.manifest.numerics, "band-rotation", lossy=False)
    face = task(portrait.views()[portrait.main], os.urandom(KEY_BYTES))
    face = FaceTask(face.pixels.to(bundles.device), face.context.to(bundles.device), face.key)

    def ours(count: Progress) -> Tensor:
        return anonymize(denoiser, face.pixels, face.context, [face.key], plan, count)[0]

    def ddim(count: Progress) -> Tensor:
        latent = invert_ddim(denoiser, face.context, face.pixels, _DDIM_STEPS, count)
        return sample_ddim(denoiser, face.context, latent, _DDIM_STEPS, count)

    timed = [(_timed(ours), _timed(ddim)) for _ in range(rounds + 1)][1:]
    return CostFigures(
        evaluations=timed[0][0][0] // 2,
        seconds=median(seconds for (_, seconds), _ in timed),
        ddim_evaluations=timed[0][1][0] // 2,
        ddim_seconds=median(seconds for _, (_, seconds) in timed),
        rounds=rounds,
        threads=torch.get_num_threads(),
        device=str(bundles.device),
    )


def _timed(run: Callable[[Progress], Tensor]) -> tuple[int, float]:
    calls: list[None] = []
    started = time.perf_counter()
    # Fetched, because a device may still be busy when a call returns.
    run(lambda: calls.append(None)).cpu()
    return len(calls), time.perf_counter() - started
