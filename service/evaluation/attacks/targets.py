"""What attacks are tried on: people, their latents, and what the adversary sees of them."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from numpy.typing import NDArray

from service.core.context import Context
from service.core.scheme import Plan
from service.core.solver import integrate
from service.core.transform import Scheme, Taus
from service.engine import MAX_BATCH
from service.evaluation.clues import see
from service.evaluation.columns import in_parallel
from service.evaluation.figures import Array
from service.evaluation.portraits import Pixels
from service.evaluation.recognizers import Recognizer
from service.evaluation.sitters import Sitter, look
from service.evaluation.studio import Made, Studio
from service.faces.crops import FaceView
from service.operations.custody import plan_for

SCHEMES: tuple[Scheme, ...] = ("signflip", "band-rotation")
"""What is attacked: the published transform under our key handling, and ours."""


@dataclass(frozen=True, slots=True)
class Targets:
    """People, and the adversary's tools.

    Attributes:
        sitters: whose faces are hidden.
        others: a second photo of each, or None.
        studio: the service.
        recognizer: that judges what comes out.
        limit: distance below which two faces with blanked surroundings count as one person.
        seed: of everything random that is not a key.
    """

    sitters: tuple[Sitter, ...] = field(repr=False)
    others: tuple[Sitter | None, ...] = field(repr=False)
    studio: Studio
    recognizer: Recognizer
    limit: float
    seed: int

    def __post_init__(self) -> None:
        if len(self.sitters) != len(self.others):
            raise ValueError("every sitter has a second photo, or None")

    @property
    def taus(self) -> Taus:
        """Of the bundle."""
        return self.studio.parts.bundles.default.manifest.numerics.taus

    @property
    def masks(self) -> list[NDArray[np.bool_]]:
        """(R, R) each."""
        return [view.inside.counts > 0 for view in self.views()]

    def views(self, pictures: Sequence[Pixels] | None = None) -> list[FaceView]:
        """Every face, in its own picture or in others of the same size."""
        shown = pictures or [sitter.pixels for sitter in self.sitters]
        return [sitter.portrait.views(pixels)[0] for sitter, pixels in zip(self.sitters, shown, strict=True)]

    def latents(self, views: Sequence[FaceView], scheme: Scheme = "band-rotation") -> list[Array]:
        """(3, R, R) each, inverted without a key: anybody can."""
        bundle = self.studio.parts.bundles.default
        return [face.latent for face in see(views, self.studio.parts.bundles, bundle.digest, self.plan(scheme))]

    def plan(self, scheme: Scheme) -> Plan:
        """Of lossless files."""
        return plan_for(self.studio.parts.bundles.default.manifest.numerics, scheme, lossy=False)

    def drawn(self, views: Sequence[FaceView], latents: Sequence[Array]) -> list[Pixels]:
        """The pictures that latents lead to, in the surroundings of ``views``; one for each sitter."""
        bundles = self.studio.parts.bundles
        denoiser = bundles.denoiser(bundles.default.digest)
        plan, faces = self.plan("band-rotation"), []
        times = plan.times().flip(0).to(bundles.device)
        for start in range(0, len(views), MAX_BATCH):
            part = slice(start, start + MAX_BATCH)
            context = Context.stack([view.context() for view in views[part]]).to(bundles.device)
            z = torch.from_numpy(np.stack(latents[part])).to(bundles.device) * context.generate
            with torch.inference_mode():
                faces += list(integrate(denoiser, z, context, times, plan.evaluations).cpu())
        return [sitter.portrait.drawn([face])[0] for sitter, face in zip(self.sitters, faces, strict=True)]

    def anonymized(self, scheme: Scheme) -> list[Made]:
        """Every face through the service, keys as it makes them."""
        return anonymized(self.sitters, self.studio, scheme)

    def revealed(self, pictures: Sequence[Pixels]) -> list[bool]:
        """Which of the pictures show the sitter, to the recognizer."""
        return [
            self.distance(sitter, pixels) < self.limit for sitter, pixels in zip(self.sitters, pictures, strict=True)
        ]

    def distance(self, sitter: Sitter, pixels: Pixels) -> float:
        """Of a picture to the sitter's own, surroundings blanked."""
        return float(np.linalg.norm(np.subtract(self.blank(sitter, pixels), self.blank(sitter, sitter.pixels))))

    def blank(self, sitter: Sitter, pixels: Pixels) -> list[float]:
        """Embedding with the surroundings blanked."""
        return look(sitter, pixels, self.studio.parts, self.recognizer).blank

    def few(self, count: int) -> "Targets":
        """The first of them, for attacks that cost much."""
        return replace(self, sitters=self.sitters[:count], others=self.others[:count])


def anonymized(sitters: Sequence[Sitter], studio: Studio, scheme: Scheme) -> list[Made]:
    """Anonymize sitters to PNG files."""
    return in_parallel(lambda sitter: sitter.made(studio, format="png", scheme=scheme), sitters)
