"""From a training run to a weights bundle: numbers measured, manifest and network written."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from service.errors import BadInput
from service.training.bank import load_bank
from service.training.config import Ends, TrainConfig
from service.training.faceset import FaceSet
from service.training.samples import sample_batch
from service.training.tuning import choose, sweep
from service.weights.manifest import Manifest, Numerics
from service.weights.network import load_denoiser, save_denoiser

_SPARE = 4
"""Examples drawn for each that is measured: some show nothing around a face, as no photo of the service does."""


def make_bundle(
    run: Path, faces: FaceSet, out: Path, name: str, *, ends: Ends, count: int = 8, device: str = "cpu"
) -> Manifest:
    """Write a bundle from the averaged weights of a run, in half precision.

    Half the bytes, and nothing lost: the numbers are measured with what is written, and whoever loads it
    computes in float32 from the same halves.

    Args:
        run: directory that ``train`` wrote.
        faces: training faces; ``count`` of them are measured.
        out: directory of the bundle, made here.
        name: of the bundle.
        ends: chosen before; N, K and the grid are chosen here.
        count: faces measured.
        device: to measure on.

    Raises:
        BadInput: ``run`` holds no weights.
    """
    if not (run / "unet").is_dir():
        raise BadInput("the run directory holds no weights yet")
    config = TrainConfig.model_validate_json((run / "config.json").read_bytes())
    save_denoiser(load_denoiser(run, config.patch).half(), out)
    denoiser = load_denoiser(out, config.patch, device)
    rng = torch.Generator().manual_seed(config.seed)
    chosen = torch.randint(len(faces), (_SPARE * count,), generator=rng)
    bank = load_bank(faces.select(chosen.tolist()), config.resolution, denoiser.device)
    clean, context = sample_batch(bank, torch.arange(len(chosen)), config.resolution, rng)
    usable = context.visible.flatten(1).any(dim=1).nonzero()[:count, 0]
    pixels = torch.round((clean[usable].double() + 1) * 127.5) / 127.5 - 1
    measured = sweep(denoiser, pixels, context.select(usable), t0=ends.t0, t1=ends.t1, taus=ends.tau)
    plan = choose(measured)
    numerics = Numerics(
        resolution=config.resolution,
        patch=config.patch,
        steps=plan.steps,
        evaluations=plan.evaluations,
        grid=plan.grid,
        **asdict(ends),
    )
    metrics: dict[str, Any] = {"round_trip_on_training_faces": [m.summary() for m in measured], "faces": len(usable)}
    manifest = Manifest(name=name, numerics=numerics, recipe=_recipe(run, config, faces), metrics=metrics)
    manifest.write(out)
    return manifest


def _recipe(run: Path, config: TrainConfig, faces: FaceSet) -> dict[str, Any]:
    state = torch.load(run / "checkpoint.pt", map_location="cpu", weights_only=True)
    return {**config.model_dump(mode="json"), "images_seen": int(state["seen"]), "photos": len(faces)}
