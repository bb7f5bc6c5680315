"""A network replayed as a CUDA graph: one launch instead of hundreds."""

import torch
from torch import Tensor

from service.core.context import Context, Denoiser

_WARM_UPS = 3


class Graphed:
    """A denoiser captured for the shapes, and the context, of one batch.

    Satisfies ``core.context.Denoiser`` for that batch only. Capturing costs a few evaluations, so
    it pays where one context is evaluated dozens of times, as the solver does.
    """

    def __init__(self, denoiser: Denoiser, context: Context) -> None:
        self._context = context
        self._x = torch.zeros(context.known.shape, dtype=torch.float64, device=context.known.device)
        self._t = torch.full((len(context),), 0.5, dtype=torch.float64, device=self._x.device)
        side = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        side.wait_stream(torch.cuda.current_stream())
        with torch.inference_mode(), torch.cuda.stream(side):
            for _ in range(_WARM_UPS):
                denoiser(self._x, self._t, context)
        torch.cuda.current_stream().wait_stream(side)
        self._graph = torch.cuda.CUDAGraph()
        with torch.inference_mode(), torch.cuda.graph(self._graph):
            self._v = denoiser(self._x, self._t, context)

    def __call__(self, x: Tensor, t: Tensor, context: Context) -> Tensor:
        """Predict v; see ``core.context.Denoiser``.

        Raises:
            ValueError: the context is another one than was captured.
        """
        if context is not self._context:
            raise ValueError("a captured network knows one context only")
        self._x.copy_(x)
        self._t.copy_(t)
        self._graph.replay()
        return self._v.clone()
