"""A captured network answers as the network itself. The capture is a stand-in, as CUDA's needs a GPU."""

from contextlib import contextmanager, nullcontext
from unittest.mock import MagicMock

import numpy as np
import pytest
import torch
from torch import Tensor

from service.core.context import Context
from service.core.scheme import Plan, anonymize
from service.evaluation.graphs import Graphed
from tests.core.shapes import CurvedDenoiser, context_of

PLAN = Plan("band-rotation", steps=3, evaluations=2, grid="square", t0=0.02, t1=0.995, taus=(0.95, 0.85, 0.75, 0.8))


class Recorded:
    """A network, and the graph it is captured in: a replay reads and writes the memory of the captured call."""

    def __init__(self) -> None:
        self.capturing = False

    def __call__(self, x: Tensor, t: Tensor, context: Context) -> Tensor:
        v = CurvedDenoiser()(x, t, context)
        if self.capturing:
            self._memory = x, t, context, v
        return v

    def replay(self) -> None:
        x, t, context, v = self._memory
        v.copy_(CurvedDenoiser()(x, t, context))

    @contextmanager
    def graph(self, graph: object):
        self.capturing = True
        yield
        self.capturing = False


@pytest.fixture
def network(monkeypatch: pytest.MonkeyPatch) -> Recorded:
    made = Recorded()
    for name, stand_in in {
        "Stream": MagicMock(),
        "current_stream": MagicMock(),
        "stream": nullcontext,
        "graph": made.graph,
        "CUDAGraph": lambda: made,
    }.items():
        monkeypatch.setattr(torch.cuda, name, stand_in)
    return made


@torch.inference_mode()
def test_every_answer_is_the_networks_and_stays(network: Recorded) -> None:
    context = context_of(np.ones((8, 8), np.bool_), np.tri(8, dtype=np.bool_))
    graphed, generator = Graphed(network, context), torch.Generator().manual_seed(1)
    asked = [(torch.randn(2, 3, 8, 8, generator=generator).double(), torch.rand(2).double()) for _ in range(3)]
    answers = [graphed(x, t, context) for x, t in asked]
    for (x, t), answer in zip(asked, answers, strict=True):
        assert torch.equal(answer, CurvedDenoiser()(x, t, context))


def test_the_solver_may_be_driven_by_it(network: Recorded) -> None:
    context = context_of(np.ones((16, 16), np.bool_))
    pixels = torch.rand(1, 3, 16, 16, generator=torch.Generator().manual_seed(2)).double()
    with torch.inference_mode():
        graphed = Graphed(network, context)
    made, norms = anonymize(graphed, pixels, context, [bytes(32)], PLAN)
    expected, others = anonymize(CurvedDenoiser(), pixels, context, [bytes(32)], PLAN)
    assert torch.equal(made, expected)
    assert norms == others


def test_other_faces_are_refused(network: Recorded) -> None:
    context = context_of(np.ones((8, 8), np.bool_))
    graphed = Graphed(network, context)
    x, t = torch.zeros(1, 3, 8, 8).double(), torch.zeros(1).double()
    with pytest.raises(ValueError, match="one context"):
        graphed(x, t, context_of(np.ones((8, 8), np.bool_)))
