"""A network trained to undo anonymization, on faces and keys of its own, beside a twin that sees the context alone.

If strangers told anything of the originals, the network that sees them would come nearer than its twin.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache

import numpy as np
import torch
from torch import Tensor

from service.core.context import Context
from service.core.transform import Scheme
from service.engine import MAX_BATCH
from service.evaluation.attacks.attack import AttackFigures, revealed
from service.evaluation.attacks.lessons import Inverted, Lessons, Stranger, inverted, make_lessons, untouched
from service.evaluation.attacks.targets import Targets
from service.evaluation.figures import Z95, Array
from service.evaluation.ledger import Kept, Ledger
from service.evaluation.portraits import Pixels
from service.evaluation.progress import bar
from service.evaluation.sitters import Sitter
from service.weights.network import UNetDenoiser, build_unet

NEARER = "trained de-anonymizer against its twin"
CONTROL = "its control: nothing is hidden"

_CHANNELS = (64, 96, 128)
_BATCH = 16
_RATE = 4e-4
_PASSES = 12
"""How often each pair is seen."""
_SCHEME: Scheme = "band-rotation"
"""Ours alone: what sign flips leave to see, cheaper attacks find."""
_TWIN = "context alone"
_ORIGINALS = "originals"


class Marks(Kept):
    """How one trained network did.

    Attributes:
        variant: what it was shown: strangers, originals, or nothing.
        distances: from the originals to what it drew, one for each target.
    """

    variant: str
    distances: list[float]


@dataclass(frozen=True, slots=True)
class School:
    """Where networks learn.

    Attributes:
        pupils: people to learn from, nobody of whom is a target.
        count: pairs made of them.
        strangers: the pairs that are there already.
        marks: of the networks that were trained already.
    """

    pupils: Sequence[Sitter] = field(repr=False)
    count: int
    strangers: Ledger[Stranger]
    marks: Ledger[Marks]


def attack(targets: Targets, school: School) -> Iterator[AttackFigures]:
    """Train on pairs of stranger and original, judge on the targets.

    Last comes the control, where nothing is hidden: a network that did not come nearer even so would prove nothing.
    """
    note = f"{school.count} pairs of {min(school.count, len(school.pupils))} people"
    marks = {mark.variant: np.array(mark.distances) for mark in _examined(targets, school)}
    twin, seeing = marks[_TWIN], marks[_SCHEME]
    yield _nearer(NEARER, _SCHEME, twin - seeing, f"{note}; the twin sees the context alone")
    chance = float((twin < targets.limit).mean())
    yield revealed("trained de-anonymizer", _SCHEME, (seeing < targets.limit).tolist(), chance, note)
    yield _nearer(CONTROL, "none: the original shown", twin - marks[_ORIGINALS], note)


def _examined(targets: Targets, school: School) -> Iterator[Marks]:
    studio, plan = targets.studio, targets.plan(_SCHEME)

    @cache
    def faces() -> tuple[list[Inverted], list[Inverted]]:
        """To learn from, and to be asked about; not made where every network was trained already."""
        pupils = school.pupils[: school.count]
        return inverted(pupils, studio, plan), inverted(targets.sitters, studio, plan)

    def lessons(variant: str) -> tuple[Lessons, Lessons]:
        taught, asked = faces()
        if variant != _SCHEME:
            return untouched(taught, school.count), untouched(asked, len(asked))
        made = make_lessons(taught, school.count, studio, plan, school.strangers)
        return made, make_lessons(asked, len(asked), studio, plan)

    def examine(variants: Sequence[str]) -> list[Marks]:
        return [
            Marks(variant=variant, distances=_apart(*lessons(variant), targets, blind=variant == _TWIN))
            for variant in variants
        ]

    return school.marks.fill({variant: variant for variant in (_TWIN, _ORIGINALS, _SCHEME)}, 1, examine)


def _apart(lessons: Lessons, exam: Lessons, targets: Targets, *, blind: bool) -> list[float]:
    """Distances from the originals to what a network draws that learnt from ``lessons``."""
    drawn = _guesses(trained(lessons, targets, blind), exam, targets, blind)
    return [targets.distance(s, p) for s, p in zip(targets.sitters, drawn, strict=True)]


def trained(lessons: Lessons, targets: Targets, blind: bool) -> UNetDenoiser:
    """Learn the original from stranger and context, or from the context alone when ``blind``."""
    bundles = targets.studio.parts.bundles
    numerics = bundles.default.manifest.numerics
    torch.manual_seed(targets.seed)
    network = UNetDenoiser(build_unet(numerics.resolution, numerics.patch, _CHANNELS, layers=1), numerics.patch)
    network.to(bundles.device).train()
    steps = max(1, _PASSES * len(lessons) // _BATCH)
    optimizer = torch.optim.AdamW(network.parameters(), lr=_RATE)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, _RATE, total_steps=steps)
    rng = torch.Generator().manual_seed(targets.seed)
    for _ in bar(range(steps), "de-anonymizer", steps):
        strangers, originals, context = lessons.batch(
            torch.randint(len(lessons), (_BATCH,), generator=rng), bundles.device
        )
        with torch.autocast(bundles.device.type, torch.bfloat16):
            guess = _guess(network, strangers, context, blind)
        loss = ((guess - originals) ** 2 * context.generate).sum() / context.generate.sum()
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        schedule.step()
    return network.eval()


def _guess(network: UNetDenoiser, strangers: Tensor, context: Context, blind: bool) -> Tensor:
    shown = torch.zeros_like(strangers) if blind else strangers
    guess: Tensor = network(shown, torch.zeros(len(shown), device=shown.device), context)
    return guess


def _guesses(network: UNetDenoiser, exam: Lessons, targets: Targets, blind: bool) -> list[Pixels]:
    faces: list[Tensor] = []
    for start in range(0, len(exam), MAX_BATCH):
        chosen = torch.arange(start, min(start + MAX_BATCH, len(exam)))
        strangers, _, context = exam.batch(chosen, targets.studio.parts.bundles.device)
        with torch.inference_mode():
            faces += list(_guess(network, strangers, context, blind).double().cpu())
    return [sitter.portrait.drawn([face])[0] for sitter, face in zip(targets.sitters, faces, strict=True)]


def _nearer(name: str, scheme: str, gains: Array, note: str) -> AttackFigures:
    mean = float(gains.mean())
    half = Z95 * float(gains.std(ddof=1)) / len(gains) ** 0.5 if len(gains) > 1 else abs(mean)
    return AttackFigures(
        name=name,
        scheme=scheme,
        measure="how much nearer to the original it comes, mean distance to the recognizer",
        success=mean,
        low=mean - half,
        high=mean + half,
        chance=0.0,
        trials=len(gains),
        note=note,
    )
