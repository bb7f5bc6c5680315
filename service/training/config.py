"""What is chosen before a training run, and before a bundle is made of it."""

from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict, Field

from service.core.transform import Taus


class TrainConfig(BaseModel):
    """Everything a run depends on, besides the photos: one configuration reproduces one run.

    Attributes:
        resolution: R, side of the model grid in cells.
        patch: pixel-unshuffle factor in front of the network.
        channels: width of the U-Net's levels.
        layers: residual blocks per level.
        images: length of the run; the learning rate falls to zero over its last part.
        batch: faces per optimizer step.
        learning_rate: of AdamW after warm-up.
        warmup: images until the full learning rate.
        decay_part: last part of the run over which the learning rate falls linearly.
        ema: decay of the averaged weights per step.
        t_mean: mean of the logit-normal distribution of t.
        t_std: its standard deviation.
        bfloat16: run the network's matrix products in bfloat16 (weights stay float32).
        compiled: let torch compile the network: worth the wait on a GPU.
        held_out: one photo in so many is never trained on, and measured instead.
        seed: of everything random in a run.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    resolution: int = Field(64, multiple_of=8)
    patch: int = 2
    channels: tuple[int, ...] = (64, 128, 192)
    layers: int = 1
    images: int = 400_000
    batch: int = 32
    learning_rate: float = 4e-4
    warmup: int = 10_000
    decay_part: float = 0.4
    ema: float = 0.999
    t_mean: float = -0.1
    t_std: float = 1.1
    bfloat16: bool = True
    compiled: bool = False
    held_out: int = Field(50, ge=2)
    seed: int = 1

    def learning_rate_at(self, seen: int) -> float:
        """Learning rate after ``seen`` images: linear warm-up, constant, linear decay to zero."""
        warm = min(1.0, (seen + self.batch) / self.warmup)
        left = max(0.0, self.images - seen) / (self.decay_part * self.images)
        return self.learning_rate * warm * min(1.0, left)


@dataclass(frozen=True, slots=True)
class Ends:
    """The numbers of a bundle that are chosen by eye, see ``weights.manifest.Numerics``."""

    t0: float = 0.02
    t0_lossy: float = 0.04
    t1: float = 0.98
    tau: Taus = (0.95, 0.95, 0.75, 0.85)
