"""What a de-anonymizer learns from: faces, and strangers that the service made of them with many keys."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from service.core.context import Context
from service.core.keystream import KEY_BYTES
from service.core.resample import quantized
from service.core.scheme import Plan, levels_to_model, model_to_levels
from service.engine import MAX_BATCH
from service.evaluation.portraits import task
from service.evaluation.sitters import Sitter
from service.evaluation.studio import Studio
from service.faces.crops import FaceView


@dataclass(frozen=True, slots=True)
class Lessons:
    """n pairs made of m faces.

    Attributes:
        strangers: (n, 3, R, R) float16 in [-1, 1], as 8-bit files hold them.
        originals: (m, 3, R, R) float32, zero outside the mask.
        context: of the m faces.
        whose: (n,), which face a stranger was made of.
    """

    strangers: Tensor = field(repr=False)
    originals: Tensor = field(repr=False)
    context: Context = field(repr=False)
    whose: Tensor = field(repr=False)

    def __len__(self) -> int:
        return len(self.strangers)

    def batch(self, chosen: Tensor, device: torch.device) -> tuple[Tensor, Tensor, Context]:
        """Strangers and originals, (b, 3, R, R) float32, and their context, on ``device``."""
        faces = self.whose[chosen]
        context = Context(*(plane[faces] for plane in self._planes())).to(device)
        return self.strangers[chosen].float().to(device), self.originals[faces].to(device), context

    def _planes(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        return self.context.known, self.context.generate, self.context.visible, self.context.landmarks


def make_lessons(sitters: Sequence[Sitter], count: int, studio: Studio, plan: Plan) -> Lessons:
    """Anonymize sitters in turn until there are ``count`` pairs, every one with a key of its own."""
    views = [sitter.portrait.views()[0] for sitter in sitters]
    context = Context.stack([view.context() for view in views])
    originals = torch.cat([levels_to_model(view.inside.values, view.top).float() for view in views]) * context.generate
    whose = [i % len(views) for i in range(count)]
    strangers = [face for part in _parts(whose) for face in _strangers([views[i] for i in part], studio, plan)]
    return Lessons(torch.stack(strangers), originals, context, torch.tensor(whose))


def _parts(items: Sequence[int]) -> Iterator[Sequence[int]]:
    for start in range(0, len(items), MAX_BATCH):
        yield items[start : start + MAX_BATCH]


def _strangers(views: Sequence[FaceView], studio: Studio, plan: Plan) -> Iterator[Tensor]:
    tasks = [task(view, os.urandom(KEY_BYTES)) for view in views]
    made = studio.parts.engine.anonymize(studio.parts.bundles.default.digest, plan, tasks)
    for view, (x, _) in zip(views, made, strict=True):
        levels = quantized(model_to_levels(x, view.top), view.inside.counts, view.top)
        filed = levels_to_model(np.clip(levels, 0, view.top), view.top)[0]
        yield (filed * torch.from_numpy(view.inside.counts > 0)).half()
