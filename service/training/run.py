"""The training loop: seeded, resumable, with EMA weights, held-out losses, sample sheets and progress."""

import copy
import json
import time
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from service.core.context import Context
from service.core.ddim import sample_ddim
from service.core.schedule import cos_sin
from service.training.bank import PhotoBank, load_bank
from service.training.config import TrainConfig
from service.training.faceset import FaceSet
from service.training.samples import sample_batch
from service.training.sheets import write_sheet
from service.weights.network import UNetDenoiser, build_unet, load_denoiser, save_denoiser

CHECKPOINT = "checkpoint.pt"
LOG = "log.jsonl"
_SHEET_FACES = 16
_HELD_OUT_FACES = 256
_HELD_OUT_TIMES = (0.1, 0.3, 0.5, 0.7, 0.9)


def train(
    config: TrainConfig,
    faces: FaceSet,
    out: Path,
    *,
    warm_start: Path | None = None,
    save_every: int = 20_000,
    seconds: float | None = None,
) -> int:
    """Train until ``config.images`` are seen, resuming from ``out`` where a run stopped.

    Writes ``checkpoint.pt`` (everything needed to resume), ``unet/`` (EMA weights), ``log.jsonl``
    (losses) and ``sheets/`` into ``out``.

    Args:
        config: of the run.
        faces: photos, each with its face.
        out: made if missing.
        warm_start: a bundle whose weights a fresh run starts from.
        save_every: images between checkpoints.
        seconds: stop early, with a checkpoint, after so long.

    Returns:
        Images seen so far.
    """
    started = time.perf_counter()
    out.mkdir(parents=True, exist_ok=True)
    (out / "config.json").write_text(config.model_dump_json(indent=2) + "\n")
    run = _Run.resume(config, out, warm_start)
    bank = load_bank(faces, config.resolution, run.device)
    gallery = _Gallery(config, faces, bank)
    losses: list[Tensor] = []
    with tqdm(total=config.images, initial=run.seen, unit=" images", desc="training", smoothing=0.05) as progress:
        while run.seen < config.images:
            losses.append(run.step(*gallery.batch(run.seen // config.batch)))
            progress.update(config.batch)
            late = seconds is not None and time.perf_counter() - started > seconds
            if run.seen % save_every < config.batch or run.seen >= config.images or late:
                run.save(out)
                loss = float(torch.stack(losses).mean())
                losses.clear()
                progress.set_postfix(loss=f"{loss:.4f}", refresh=False)
                gallery.show(run, loss, out)
            if late:
                break
    return run.seen


class _Run:
    """Weights, their average, the optimizer, and how many images they have seen."""

    def __init__(self, config: TrainConfig, model: UNetDenoiser) -> None:
        self.config = config
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.model = model.to(self.device).train().requires_grad_(True)
        self.model.unet.to(memory_format=torch.channels_last)
        self.ema = copy.deepcopy(self.model).eval().requires_grad_(False)
        if config.compiled:
            self.model.unet.compile()
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

    def step(self, clean: Tensor, context: Context) -> Tensor:
        """One optimizer step; returns the loss, still on the device."""
        rate = self.config.learning_rate_at(self.seen)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        rng = torch.Generator(self.device).manual_seed((self.config.seed << 40) + self.seen)
        # Logit-normal times (Esser et al. 2024, sec. 3.1).
        normal = torch.randn(len(clean), generator=rng, device=self.device)
        t = torch.sigmoid(self.config.t_mean + self.config.t_std * normal)
        loss = self.errors(self.model, clean, context, t, rng).mean()
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimizer.step()
        self.seen += len(clean)
        self._average()
        return loss.detach()

    def errors(self, network: UNetDenoiser, clean: Tensor, context: Context, t: Tensor, rng: torch.Generator) -> Tensor:
        """(B,) squared errors of v, a batch's mean being over all its generated cells."""
        eps = torch.randn(clean.shape, generator=rng, device=self.device)
        cos, sin = (a[:, None, None, None] for a in cos_sin(t))
        x = (cos * clean + sin * eps) * context.generate
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.config.bfloat16):
            v = network(x, t, context)
        error = (v - (cos * eps - sin * clean)) ** 2 * context.generate
        errors: Tensor = error.sum(dim=(1, 2, 3)) * (len(clean) / (3 * context.generate.sum()))
        return errors

    @torch.no_grad()
    def _average(self) -> None:
        # A short memory at first, so that the average forgets the random start.
        steps = self.seen / self.config.batch
        keep = min(self.config.ema, (1 + steps) / (10 + steps))
        torch._foreach_lerp_(list(self.ema.parameters()), list(self.model.parameters()), 1 - keep)


class _Gallery:
    """Which photos are drawn when; some are held out to be measured and looked at."""

    def __init__(self, config: TrainConfig, faces: FaceSet, bank: PhotoBank) -> None:
        self._config, self._bank = config, bank
        numbers = torch.arange(len(faces))
        held_out = numbers % config.held_out == 0
        self._held_out, self._drawn = numbers[held_out], numbers[~held_out]
        # Half way between drawing photos and drawing folders uniformly.
        sizes = np.bincount(faces.groups).astype(float)
        self._weights = torch.from_numpy((1 / np.sqrt(sizes))[faces.groups])[~held_out]

    def batch(self, step: int) -> tuple[Tensor, Context]:
        """The training examples of a step."""
        rng = self._rng(step + 1)
        drawn = self._drawn[torch.multinomial(self._weights, self._config.batch, replacement=True, generator=rng)]
        return sample_batch(self._bank, drawn, self._config.resolution, rng)

    def show(self, run: _Run, loss: float, out: Path) -> None:
        """Log the losses, and draw a sheet of held-out faces."""
        line = {"seen": run.seen, "loss": round(loss, 5), "held_out": self._losses(run)}
        with (out / LOG).open("a") as log:
            log.write(json.dumps(line) + "\n")
        clean, context = self._held_out_batch(_SHEET_FACES)
        rng = torch.Generator().manual_seed(self._config.seed)
        noises = [torch.randn(clean.shape, generator=rng, dtype=torch.float64) for _ in range(2)]
        generated = [sample_ddim(run.ema, context, noise.to(run.device), steps=25).cpu() for noise in noises]
        write_sheet(out / "sheets" / f"{run.seen:08d}.png", clean.cpu(), context.to(torch.device("cpu")), generated)

    @torch.no_grad()
    def _losses(self, run: _Run) -> dict[str, float]:
        """Mean squared error of v on photos never trained on, by t."""
        clean, context = self._held_out_batch(_HELD_OUT_FACES)
        losses = {}
        for t in _HELD_OUT_TIMES:
            rng = torch.Generator(run.device).manual_seed(self._config.seed)
            total = torch.zeros((), device=run.device)
            for start in range(0, len(clean), self._config.batch):
                part = slice(start, start + self._config.batch)
                times = torch.full((len(clean[part]),), t, device=run.device)
                total += run.errors(run.ema, clean[part], context.select(part), times, rng).sum()
            losses[f"{t}"] = round(float(total) / len(clean), 5)
        return losses

    def _held_out_batch(self, count: int) -> tuple[Tensor, Context]:
        rng = self._rng(0)
        drawn = self._held_out[torch.randint(len(self._held_out), (count,), generator=rng)]
        return sample_batch(self._bank, drawn, self._config.resolution, rng)

    def _rng(self, number: int) -> torch.Generator:
        # Seeds far apart: neighbouring ones would give neighbouring steps of another run.
        return torch.Generator().manual_seed((self._config.seed << 32) + number)
