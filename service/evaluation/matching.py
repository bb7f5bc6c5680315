"""Who is recognized: rates over pairs, at thresholds from people who are not in them."""

from collections.abc import Callable, Sequence

import numpy as np

from service.evaluation.columns import COLUMNS, Column
from service.evaluation.figures import Array, Figures
from service.evaluation.ledger import Kept
from service.evaluation.pair_results import PairResult
from service.evaluation.sitters import Looked
from service.evaluation.verification import BoundedRate, accepted, impostor_distances, rank_one, roc, threshold

FARS = (1e-2, 1e-3)
POINTS = np.logspace(-4, 0, 33)
"""False accept rates of a curve."""


class Person(Kept):
    """A photo of somebody who is in no pair: thresholds are taken from all pairs of these."""

    name: str
    seen: Looked | None


class Matches(Figures):
    """TAR at one FAR: shares of pairs accepted as one person.

    Attributes:
        far: the false accept rate.
        whole: with the surroundings.
        blank: with the surroundings blanked, at a threshold of its own.
    """

    far: float
    whole: BoundedRate
    blank: BoundedRate


class Recognized(Figures):
    """One version of the first photos.

    Attributes:
        other: against the other photo of the person.
        original: against the original photo; None for the original itself.
        rank_one, rank_one_blank: found first among the other photos of all pairs and the people of the thresholds.
        curve: TAR at ``POINTS`` against the other photo.
    """

    other: list[Matches]
    original: list[Matches] | None
    rank_one: BoundedRate
    rank_one_blank: BoundedRate
    curve: list[float]


class Matching(Figures):
    """Recognition of everything.

    Attributes:
        recognizer: its name.
        impostors: cross-identity pairs behind the thresholds.
        thresholds: by kind (``whole``, ``blank``), distances at ``FARS``.
        gallery: people among whom rank one is sought.
        clean: the first photos as they are.
        anonymized, recovered: by method.
        wrong: recovered with a wrong key; our methods.
        strangers: two strangers made of one photo, against each other.
    """

    recognizer: str
    impostors: int
    thresholds: dict[str, list[float]]
    gallery: int
    clean: Recognized
    anonymized: dict[Column, Recognized]
    recovered: dict[Column, Recognized]
    wrong: dict[Column, Recognized]
    strangers: list[Matches]


Pick = Callable[[PairResult], Looked | None]


class Matcher:
    """Thresholds and gallery, ready for versions of the photos.

    Args:
        people: who is in no pair.
        pairs: with faces found in both photos.
    """

    def __init__(self, people: Sequence[Person], pairs: Sequence[PairResult]) -> None:
        known = [(person.name, person.seen) for person in people if person.seen is not None]
        names = [name for name, _ in known]
        self._pairs = pairs
        self._gallery = [*((pair.person, pair.other) for pair in pairs if pair.other is not None), *known]
        self.impostors = {
            kind: impostor_distances(np.array([_of(seen, kind) for _, seen in known]), names)
            for kind in ("whole", "blank")
        }

    @property
    def gallery(self) -> int:
        """People in it."""
        return len(self._gallery)

    def limit(self, kind: str, far: float) -> float:
        """The threshold."""
        return threshold(self.impostors[kind], far)

    def recognized(self, pick: Pick, *, is_original: bool = False) -> Recognized:
        """One version against the other photos and the originals."""
        rank, blank = (self._rank(pick, kind) for kind in ("whole", "blank"))
        distances = self._distances(pick, lambda pair: pair.other, "whole")
        return Recognized(
            other=self.matches(pick, lambda pair: pair.other),
            original=None if is_original else self.matches(pick, lambda pair: pair.clean),
            rank_one=rank,
            rank_one_blank=blank,
            curve=roc(distances, self.impostors["whole"], POINTS),
        )

    def matches(self, one: Pick, other: Pick) -> list[Matches]:
        """Two versions of each pair against each other."""
        return [
            Matches(
                far=far,
                whole=accepted(self._distances(one, other, "whole"), self.limit("whole", far)),
                blank=accepted(self._distances(one, other, "blank"), self.limit("blank", far)),
            )
            for far in FARS
        ]

    def _distances(self, one: Pick, other: Pick, kind: str) -> list[float]:
        both = [(one(pair), other(pair)) for pair in self._pairs]
        return [float(np.linalg.norm(_of(a, kind) - _of(b, kind))) for a, b in both if a is not None and b is not None]

    def _rank(self, pick: Pick, kind: str) -> BoundedRate:
        probes = [(pair.person, seen) for pair in self._pairs if (seen := pick(pair)) is not None]
        return rank_one(
            np.array([_of(seen, kind) for _, seen in probes]),
            [person for person, _ in probes],
            np.array([_of(seen, kind) for _, seen in self._gallery]),
            [person for person, _ in self._gallery],
        )


def measure_matching(people: Sequence[Person], pairs: Sequence[PairResult], recognizer: str) -> Matching:
    """Every version of every pair; pairs without results are left out."""
    matcher = Matcher(people, [pair for pair in pairs if pair.columns])

    def by_column(
        pick: Callable[[PairResult, Column], Looked | None], columns: Sequence[Column]
    ) -> dict[Column, Recognized]:
        return {column: matcher.recognized(lambda pair, c=column: pick(pair, c)) for column in columns}  # type: ignore[misc]

    return Matching(
        recognizer=recognizer,
        impostors=len(matcher.impostors["whole"]),
        thresholds={kind: [matcher.limit(kind, far) for far in FARS] for kind in matcher.impostors},
        gallery=matcher.gallery,
        clean=matcher.recognized(lambda pair: pair.clean, is_original=True),
        anonymized=by_column(lambda pair, column: pair.columns[column].anonymized, COLUMNS),
        recovered=by_column(lambda pair, column: pair.columns[column].recovered, COLUMNS),
        wrong=by_column(lambda pair, column: pair.columns[column].wrong, COLUMNS[2:]),
        strangers=matcher.matches(lambda pair: pair.second, lambda pair: pair.columns["ours, rotation"].anonymized),
    )


def _of(seen: Looked, kind: str) -> Array:
    return np.array(seen.whole if kind == "whole" else seen.blank)
