"""A network trained to undo anonymization, on faces and keys of its own, beside a twin that sees the context alone.

If strangers told anything of the originals, the network that sees them would come nearer than its twin.
"""

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from service.core.context import Context
from service.core.transform import Scheme
from service.engine import MAX_BATCH
from service.evaluation.attacks.attack import AttackFigures, revealed
from service.evaluation.attacks.lessons import Lessons, Stranger, make_lessons, untouched
from service.evaluation.attacks.targets import SCHEMES, Targets
from service.evaluation.figures import Array
from service.evaluation.ledger import Ledger
from service.evaluation.portraits import Pixels
from service.evaluation.progress import bar
from service.evaluation.sitters import Sitter
from service.weights.network import UNetDenoiser, build_unet

NEARER = "trained de-anonymizer against its twin"
CONTROL = "its control: nothing is hidden"

_CHANNELS = (64, 96, 128)
_BATCH = 16
_RATE = 4e-4
_PASSES = 30
"""How often each pair is seen."""
_Z = 1.96


def attack(
    targets: Targets, pupils: Sequence[Sitter], count: int, kept: Callable[[Scheme], Ledger[Stranger]]
) -> Iterator[AttackFigures]:
    """Train on ``count`` pairs made of ``pupils``, nobody of whom is a target; judge on the targets.

    Args:
        kept: the pairs that are there already.
    """
    note = f"{count} pairs of {len(pupils)} people; the twin sees the context alone"
    twin: Array | None = None
    for scheme in SCHEMES:
        plan = targets.plan(scheme)
        lessons = make_lessons(pupils, count, targets.studio, plan, kept(scheme))
        exam = make_lessons(targets.sitters, len(targets.sitters), targets.studio, plan)
        if twin is None:
            # It sees no strangers: of every scheme it would learn the same.
            twin = _apart(lessons, exam, targets, blind=True)
        seeing = _apart(lessons, exam, targets, blind=False)
        yield _nearer(NEARER, scheme, twin - seeing, note)
        chance = float((twin < targets.limit).mean())
        yield revealed("trained de-anonymizer", scheme, (seeing < targets.limit).tolist(), chance, note)


def control(targets: Targets, pupils: Sequence[Sitter], count: int) -> Iterator[AttackFigures]:
    """The same where nothing is hidden: a network that did not come nearer even so would prove nothing."""
    lessons, exam = untouched(pupils, count), untouched(targets.sitters, len(targets.sitters))
    gains = _apart(lessons, exam, targets, blind=True) - _apart(lessons, exam, targets, blind=False)
    yield _nearer(CONTROL, "none: the original shown", gains, f"{count} pairs of {len(pupils)} people")


def _apart(lessons: Lessons, exam: Lessons, targets: Targets, *, blind: bool) -> Array:
    """Distances from the originals to what a network draws that learnt from ``lessons``."""
    drawn = _guesses(trained(lessons, targets, blind), exam, targets, blind)
    return np.array([targets.distance(s, p) for s, p in zip(targets.sitters, drawn, strict=True)])


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
    half = _Z * float(gains.std(ddof=1)) / len(gains) ** 0.5 if len(gains) > 1 else abs(mean)
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
