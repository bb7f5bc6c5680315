"""A denoiser in closed form: data whose cells are independent Gaussians. Needs no weights."""

from dataclasses import dataclass

from torch import Tensor

from service.core.context import Context
from service.core.schedule import cos_sin


@dataclass(frozen=True, slots=True)
class AnalyticDenoiser:
    """The exact v for x_0 ~ N(mean, std^2) in every cell: E[v | x_t].

    Attributes:
        mean: in [-1, 1].
        std: > 0.
    """

    mean: float = -0.1
    std: float = 0.4

    def __call__(self, x: Tensor, t: Tensor, context: Context) -> Tensor:
        """Predict v; see ``core.context.Denoiser``."""
        cos, sin = (a[:, None, None, None] for a in cos_sin(t))
        gain = cos * sin * (1 - self.std**2) / (cos**2 * self.std**2 + sin**2)
        return (gain * (x - cos * self.mean) - sin * self.mean) * context.generate
