"""The training loop: seeded, resumable, with EMA weights, sample sheets and progress."""

import copy
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from service.core.context import Context
from service.core.ddim import sample_ddim
from service.core.schedule import cos_sin
from service.training.config import TrainConfig
from service.training.faceset import FaceSet
from service.training.samples import sample_batch
from service.training.sheets import write_sheet
from service.weights.network import UNetDenoiser, build_unet, load_denoiser, save_denoiser

CHECKPOINT = "checkpoint.pt"
_SHEET_FACES = 16


def train(
    config: TrainConfig, faces: FaceSet, out: Path, *, warm_start: Path | None = None, save_every: int = 20_000
) -> None:
    """Train until ``config.images`` are seen, resuming from ``out`` where a run stopped.

    Writes ``checkpoint.pt`` (everything needed to resume), ``unet/`` (EMA weights) and
    ``sheets/`` into ``out``.

    Args:
        warm_start: a bundle whose weights a fresh run starts from.
        save_every: images between checkpoints.
    """
    out.mkdir(parents=True, exist_ok=True)
    (out / "config.json").write_text(config.model_dump_json(indent=2) + "\n")
    run = _Run.resume(config, out, warm_start)
    sheet = sample_batch(faces, _draw(faces, config, -1, _SHEET_FACES), config.resolution, _rng(config, -1))
    progress = tqdm(total=config.images, initial=run.seen, unit=" images", desc="training", smoothing=0.05)
    with progress, ThreadPoolExecutor(1) as pool:
        for clean, context in _batches(pool, faces, config, run.seen // config.batch):
            loss = run.step(clean, context)
            progress.update(config.batch)
            progress.set_postfix(loss=f"{loss:.4f}", refresh=False)
            if run.seen % save_every < config.batch or run.seen >= config.images:
                run.save(out)
                _draw_sheet(run.ema, sheet, config, out / "sheets" / f"{run.seen:08d}.png")


class _Run:
    """Weights, their average, the optimizer, and how many images they have seen."""

    def __init__(self, config: TrainConfig, model: UNetDenoiser) -> None:
        self.config = config
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.model = model.to(self.device).train().requires_grad_(True)
        self.model.unet.to(memory_format=torch.channels_last)
        self.ema = copy.deepcopy(self.model).eval().requires_grad_(False)
        self.optimizer = torch.optim.AdamW(
            self.model.parameters(), lr=config.learning_rate, betas=(0.9, 0.99), weight_decay=0.01, fused=True
        )
        self.seen = 0

    @classmethod
    def resume(cls, config: TrainConfig, out: Path, warm_start: Path | None) -> "_Run":
        torch.manual_seed(config.seed)
        if warm_start is not None:
            model = load_denoiser(warm_start, config.patch)
        else:
            model = UNetDenoiser(
                build_unet(config.resolution, config.patch, config.channels, config.layers), config.patch
            )
        run = cls(config, model)
        if (out / CHECKPOINT).exists():
            state = torch.load(out / CHECKPOINT, map_location=run.device, weights_only=True)
            run.model.load_state_dict(state["model"])
            run.ema.load_state_dict(state["ema"])
            run.optimizer.load_state_dict(state["optimizer"])
            run.seen = state["seen"]
        return run

    def save(self, out: Path) -> None:
        state = {
            "model": self.model.state_dict(),
            "ema": self.ema.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "seen": self.seen,
        }
        torch.save(state, out / "checkpoint.tmp")
        (out / "checkpoint.tmp").replace(out / CHECKPOINT)
        save_denoiser(self.ema, out)

    def step(self, clean: Tensor, context: Context) -> float:
        """One optimizer step; returns the loss."""
        rate = self.config.learning_rate_at(self.seen)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        loss = self._loss(clean.to(self.device), context.to(self.device))
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimizer.step()
        self.seen += len(clean)
        self._average()
        return loss.item()

    def _loss(self, clean: Tensor, context: Context) -> Tensor:
        """Mean squared error of v over the generated cells, t logit-normal (Esser et al. 2024, sec. 3.1)."""
        rng = torch.Generator().manual_seed((self.config.seed << 40) + self.seen)
        t = torch.sigmoid(self.config.t_mean + self.config.t_std * torch.randn(len(clean), generator=rng)).to(
            self.device
        )
        eps = torch.randn(clean.shape, generator=rng).to(self.device)
        cos, sin = (a[:, None, None, None] for a in cos_sin(t))
        x = (cos * clean + sin * eps) * context.generate
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.config.bfloat16):
            v = self.model(x, t, context)
        error = (v - (cos * eps - sin * clean)) ** 2 * context.generate
        loss: Tensor = error.sum() / (3 * context.generate.sum())
        return loss

    @torch.no_grad()
    def _average(self) -> None:
        # A short memory at first, so that the average forgets the random start.
        steps = self.seen / self.config.batch
        keep = min(self.config.ema, (1 + steps) / (10 + steps))
        for average, weight in zip(self.ema.parameters(), self.model.parameters(), strict=True):
            average.lerp_(weight, 1 - keep)


def _batches(
    pool: ThreadPoolExecutor, faces: FaceSet, config: TrainConfig, first: int
) -> Iterator[tuple[Tensor, Context]]:
    def make(step: int) -> tuple[Tensor, Context]:
        rng = _rng(config, step)
        return sample_batch(faces, _draw(faces, config, step, config.batch), config.resolution, rng)

    steps = -(-config.images // config.batch)
    upcoming = pool.submit(make, first)
    for step in range(first, steps):
        batch = upcoming.result()
        upcoming = pool.submit(make, step + 1)
        yield batch


def _rng(config: TrainConfig, step: int) -> np.random.Generator:
    return np.random.default_rng([config.seed, step + 1])


def _draw(faces: FaceSet, config: TrainConfig, step: int, count: int) -> np.ndarray:
    """Photo indices, half way between drawing photos and drawing folders uniformly."""
    sizes = np.bincount(faces.groups).astype(float)
    weights = (1 / np.sqrt(sizes))[faces.groups]
    return np.random.default_rng([config.seed, step + 1, 7]).choice(len(faces), count, p=weights / weights.sum())


def _draw_sheet(model: UNetDenoiser, sheet: tuple[Tensor, Context], config: TrainConfig, path: Path) -> None:
    clean, context = sheet
    rng = torch.Generator().manual_seed(config.seed)
    noises = [torch.randn(clean.shape, generator=rng, dtype=torch.float64) for _ in range(2)]
    generated = [
        sample_ddim(model, context.to(model.device), noise.to(model.device), steps=25).cpu() for noise in noises
    ]
    write_sheet(path, clean, context, generated)
