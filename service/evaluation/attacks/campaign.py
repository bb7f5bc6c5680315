"""All attacks, cheap ones first."""

from collections.abc import Callable, Iterator

from service.evaluation.attacks import (
    again,
    known_pair,
    magnitudes,
    nearby_latents,
    partial_key,
    same_person,
    tampered,
    wrong_key,
)
from service.evaluation.attacks.attack import AttackFigures
from service.evaluation.attacks.targets import Targets
from service.evaluation.figures import Figures
from service.evaluation.ledger import Kept


class AttackRun(Figures):
    """What all figures of a campaign have in common.

    Attributes:
        digest: of the weights, hex.
        people: attacked.
        limit: distance that counts as recognized.
        seed: of what is random.
    """

    digest: str
    people: int
    limit: float
    seed: int


class AttackResult(Kept):
    """What came of one attack.

    Attributes:
        attack: key of ``ATTACKS``.
        figures: by scheme and variant.
    """

    attack: str
    figures: list[AttackFigures]


Attack = Callable[[Targets], Iterator[AttackFigures]]

ATTACKS: dict[str, Attack] = {
    "known pair": known_pair.attack,
    "tampered records": tampered.attack,
    "partly known key, faces of two shares": partial_key.attack,
    "wrong key": wrong_key.attack,
    "magnitudes by face": magnitudes.attack,
    "same person": same_person.attack,
    "anonymized twice": again.attack,
    "nearby latents by band": nearby_latents.attack,
}
"""By name; each yields its figures. An attack that changes changes its name, as ledgers keep results by name."""
