"""What a de-anonymizer learns from: faces, and strangers that the service made of them with many keys."""

import io
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from PIL import Image
from pydantic import ConfigDict
from torch import Tensor

from service.core.context import Context
from service.core.keystream import KEY_BYTES
from service.core.resample import quantized
from service.core.scheme import Plan, levels_to_model, model_to_levels
from service.core.solver import integrate
from service.core.transform import hide
from service.engine import MAX_BATCH
from service.evaluation.clues import see
from service.evaluation.figures import Array
from service.evaluation.ledger import Kept, Ledger
from service.evaluation.progress import bar
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
        context = self.context.select(faces).to(device)
        return self.strangers[chosen].float().to(device), self.originals[faces].to(device), context


class Stranger(Kept):
    """What the service made of a face.

    Attributes:
        lesson: its number.
        png: its crop as a file of 8 bits holds it, black outside the mask.
    """

    model_config = ConfigDict(ser_json_bytes="base64", val_json_bytes="base64")

    lesson: int
    png: bytes


@dataclass(frozen=True, slots=True)
class Inverted:
    """A face, and the latent that all its strangers are made of.

    Attributes:
        view: of the original.
        latent: (3, R, R).
    """

    view: FaceView = field(repr=False)
    latent: Array = field(repr=False)


def inverted(sitters: Sequence[Sitter], studio: Studio, plan: Plan) -> list[Inverted]:
    """Faces on their way to be anonymized, as far as no key is needed: every scheme goes on from there."""
    views = [sitter.portrait.views()[0] for sitter in sitters]
    bundles = studio.parts.bundles
    seen = bar(see(views, bundles, bundles.default.digest, plan), "faces", len(views))
    return [Inverted(view, face.latent) for view, face in zip(views, seen, strict=True)]


def make_lessons(
    faces: Sequence[Inverted], count: int, studio: Studio, plan: Plan, ledger: Ledger[Stranger] | None = None
) -> Lessons:
    """Make strangers of faces in turn until there are ``count`` pairs, every one with a key of its own.

    Args:
        ledger: of lessons with the same faces; those in it are taken, and new ones kept.
    """

    def make(lessons: Sequence[int]) -> list[Stranger]:
        made = _strangers([faces[lesson % len(faces)] for lesson in lessons], studio, plan)
        return [Stranger(lesson=lesson, png=png) for lesson, png in zip(lessons, made, strict=True)]

    if ledger is None:
        strangers = [
            one for start in range(0, count, MAX_BATCH) for one in make(range(count)[start : start + MAX_BATCH])
        ]
    else:
        filled = ledger.fill({str(lesson): lesson for lesson in range(count)}, MAX_BATCH, make)
        strangers = list(bar(filled, f"pairs, {plan.scheme}", count))
    views = [face.view for face in faces]
    whose = torch.arange(count) % len(faces)
    context, originals = _originals(views)
    return Lessons(
        torch.stack([_pixels(one) for one in strangers]) * context.generate[whose], originals, context, whose
    )


def untouched(faces: Sequence[Inverted], count: int) -> Lessons:
    """The same where nothing is hidden: every stranger is the original itself."""
    context, originals = _originals([face.view for face in faces])
    whose = torch.arange(count) % len(originals)
    return Lessons(originals[whose].half(), originals, context, whose)


def _originals(views: Sequence[FaceView]) -> tuple[Context, Tensor]:
    context = Context.stack([view.context() for view in views])
    levels = torch.cat([levels_to_model(view.inside.values, view.top).float() for view in views])
    return context, levels * context.generate


def _strangers(faces: Sequence[Inverted], studio: Studio, plan: Plan) -> Iterator[bytes]:
    """The second half of ``core.scheme.anonymize``: the first is ``inverted``."""
    bundles = studio.parts.bundles
    context = Context.stack([face.view.context() for face in faces]).to(bundles.device)
    hidden = [
        hide(face.latent, face.view.inside.counts > 0, os.urandom(KEY_BYTES), plan.scheme, plan.taus)[0]
        for face in faces
    ]
    z = torch.from_numpy(np.stack(hidden)).to(bundles.device)
    with torch.inference_mode():
        denoiser, times = bundles.denoiser(bundles.default.digest), plan.times().flip(0).to(bundles.device)
        made = integrate(denoiser, z, context, times, plan.evaluations).cpu()
    for face, x in zip(faces, made, strict=True):
        # At k = 1 a cell is a pixel, so these are whole levels.
        view = face.view
        levels = quantized(model_to_levels(x, view.top), view.inside.counts, view.top)
        out = io.BytesIO()
        Image.fromarray(levels.astype(np.uint8)).save(out, "PNG")
        yield out.getvalue()


def _pixels(stranger: Stranger) -> Tensor:
    with Image.open(io.BytesIO(stranger.png)) as image:
        return levels_to_model(np.asarray(image, np.float64), 255)[0].half()
