"""Anonymize what is anonymized: does a second stranger bring the first person back?"""

from collections.abc import Iterator

from service.errors import AlreadyAnonymized
from service.evaluation.attacks.attack import AttackFigures, counted, revealed
from service.evaluation.attacks.targets import SCHEMES, Targets
from service.evaluation.columns import in_parallel
from service.evaluation.portraits import Pixels
from service.evaluation.sitters import Sitter
from service.evaluation.studio import Made, Studio
from service.operations.picture import as_bytes


def attack(targets: Targets) -> Iterator[AttackFigures]:
    """Chance is how often the first stranger passes for the original."""

    def twice(pair: tuple[Sitter, Made]) -> Pixels:
        return _twice(*pair, targets.studio)

    pairs: list[tuple[Sitter, Made]] = []
    for scheme in SCHEMES:
        pairs = list(zip(targets.sitters, targets.anonymized(scheme), strict=True))
        shown = targets.revealed([as_bytes(made.picture.pixels) for _, made in pairs])
        chance = sum(shown) / max(len(shown), 1)
        hits = targets.revealed(in_parallel(twice, pairs))
        yield revealed("anonymized twice", scheme, hits, chance, "asked for explicitly")
    taken = [_taken(sitter, made, targets.studio) for sitter, made in pairs]
    yield counted("anonymized twice, unasked", "service", "files taken on", taken)


def _twice(sitter: Sitter, made: Made, studio: Studio) -> Pixels:
    told = sitter.told(studio)
    return as_bytes(told.anonymize(made.file.read_bytes(), made.picture, format="png", again=True).picture.pixels)


def _taken(sitter: Sitter, made: Made, studio: Studio) -> bool:
    told = sitter.told(studio)
    try:
        told.anonymize(made.file.read_bytes(), made.picture, format="png")
    except AlreadyAnonymized:
        return False
    return True
