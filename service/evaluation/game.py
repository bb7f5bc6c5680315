"""The game: one of two faces was anonymized in the same context; which? Image and record are given."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from service.core.transform import Scheme
from service.evaluation.clues import Clues, face_clues, file_clues, see
from service.evaluation.figures import Array, Figures, auc
from service.evaluation.portraits import Portrait
from service.evaluation.progress import bar
from service.evaluation.scenes import KnownFace, Scene, scenes
from service.evaluation.studio import Studio
from service.operations.custody import plan_for

_FOLDS = 5
_SHUFFLES = 500

Labels = NDArray[np.bool_]


class GameFigures(Figures):
    """How well the adversary tells the faces apart.

    Attributes:
        trials: in all; half of each scene's show one face, half the other.
        scenes: contexts with two candidate faces each.
        statistics: how many were tried.
        held_out: AUC of all statistics together, on trials the adversary did not learn from.
        held_out_chance: what it stays under in 95 of 100 shuffles of the labels.
        held_out_p: share of the shuffles in which it is as large, the labels as they are among them.
        best: the single statistic with the largest AUC.
        best_auc: its AUC.
        chance: what the largest of so many statistics' AUCs stays under in 95 of 100 shuffles of the labels.
        single: AUC of each statistic, the mean over scenes of the better direction: by chance above 0.5.
    """

    trials: int
    scenes: int
    statistics: int
    held_out: float
    held_out_chance: float
    held_out_p: float
    best: str
    best_auc: float
    chance: float
    single: dict[str, float]

    def rows(self) -> Iterator[tuple[str, str]]:
        """Lines of a table."""
        held_out = f"chance stays under {self.held_out_chance:.3f}; p = {self.held_out_p:.3f}"
        yield "the game", f"{self.trials} trials in {self.scenes} scenes, {self.statistics} statistics"
        yield (
            "all statistics, held-out AUC",
            f"{self.held_out:.3f} ({held_out})",
        )
        yield "largest AUC of one statistic", f"{self.best_auc:.3f} ({self.best}; chance stays under {self.chance:.3f})"


@dataclass(frozen=True, slots=True)
class Trials:
    """What was played.

    Attributes:
        names: of the S statistics.
        values: (n, S).
        labels: (n,) bool, which face it was.
        scene: (n,) int, which scene it was.
    """

    names: list[str]
    values: Array = field(repr=False)
    labels: Labels = field(repr=False)
    scene: NDArray[np.int64] = field(repr=False)


def play(
    portraits: Sequence[Portrait], studio: Studio, *, trials: int, count: int, seed: int, scheme: Scheme
) -> GameFigures:
    """Play and judge.

    Args:
        portraits: at least three.
        trials: per scene, an even number.
        count: of scenes.
        scheme: of the keyed transform; keys are fresh in every trial.
    """
    rng = np.random.default_rng(seed)
    rows: list[Clues] = []
    labels: list[Labels] = []
    for scene in bar(scenes(portraits, count), "the game", count):
        drawn = rng.permutation(np.arange(trials) % 2 == 0)
        rows += _played(scene, drawn, studio, scheme)
        labels.append(drawn)
    values = np.array([list(row.values()) for row in rows])
    which = np.repeat(np.arange(count), trials)
    return judge(Trials(list(rows[0]), values, np.concatenate(labels), which), rng)


def judge(played: Trials, rng: np.random.Generator) -> GameFigures:
    """Every statistic by itself, and all of them together on held-out trials."""
    values = _standardized(played.values, played.scene)
    labels = played.labels
    single = [_of_scenes(column, labels, played.scene) for column in values.T]
    shuffled = [_shuffled(labels, played.scene, rng) for _ in range(_SHUFFLES)]
    best = int(np.argmax(single))
    held_out = _held_out(values, labels, played.scene, rng)
    by_chance = [_held_out(values, other, played.scene, rng) for other in shuffled]
    return GameFigures(
        trials=len(labels),
        scenes=len(np.unique(played.scene)),
        statistics=len(played.names),
        held_out=held_out,
        held_out_chance=_usual(by_chance),
        held_out_p=(1 + sum(area >= held_out for area in by_chance)) / (1 + _SHUFFLES),
        best=played.names[best],
        best_auc=single[best],
        chance=_usual([_largest(values, other, played.scene) for other in shuffled]),
        single=dict(zip(played.names, single, strict=True)),
    )


def _played(scene: Scene, drawn: Labels, studio: Studio, scheme: Scheme) -> list[Clues]:
    """Anonymize the face drawn in each trial through files, and collect what the adversary sees."""
    bundles, bundle = studio.parts.bundles, studio.parts.bundles.default
    told = replace(studio, parts=replace(studio.parts, detector=KnownFace(scene.face)))
    pair = [told.write_png(portrait.pixels) for portrait in (scene.one, scene.other)]
    originals = [told.read(file) for file in pair]
    made, outer = [], []
    for is_one in drawn:
        which = 0 if is_one else 1
        data = pair[which].read_bytes()
        started = time.perf_counter()
        made.append(told.anonymize(data, originals[which], format="png", scheme=scheme))
        seconds = time.perf_counter() - started
        outer.append(file_clues(made[-1].file.read_bytes(), made[-1].picture.record or b"", seconds))
    pictures = [*originals, *(one.picture for one in made)]
    views = [scene.one.views(picture.pixels)[0] for picture in pictures]
    plan = plan_for(bundle.manifest.numerics, scheme, lossy=False)
    one, other, *shown = see(views, bundles, bundle.digest, plan)
    generate = views[0].inside.counts > 0
    inner = [face_clues(face, one, other, generate) for face in shown]
    return [a | b for a, b in zip(outer, inner, strict=True)]


def _standardized(values: Array, scene: NDArray[np.int64]) -> Array:
    """Zero mean and unit variance in each scene; a statistic that does not vary becomes zero."""
    out = np.zeros_like(values)
    for index in np.unique(scene):
        rows = values[scene == index]
        spread = rows.std(axis=0)
        constant = spread <= 1e-12 * np.abs(rows).max(axis=0)
        out[scene == index] = np.where(constant, 0.0, (rows - rows.mean(axis=0)) / np.where(constant, 1.0, spread))
    return out


def _usual(areas: list[float]) -> float:
    """What 95 of 100 stay under."""
    return float(np.percentile(areas, 95))


def _of_scenes(column: Array, labels: Labels, scene: NDArray[np.int64]) -> float:
    """Which face is the first is arbitrary: what gives it away may point another way in each scene."""
    areas = [auc(column[scene == index], labels[scene == index]) for index in np.unique(scene)]
    return float(np.mean([max(area, 1 - area) for area in areas]))


def _largest(values: Array, labels: Labels, scene: NDArray[np.int64]) -> float:
    return max(_of_scenes(column, labels, scene) for column in values.T)


def _shuffled(labels: Labels, scene: NDArray[np.int64], rng: np.random.Generator) -> Labels:
    out = labels.copy()
    for index in np.unique(scene):
        out[scene == index] = rng.permutation(labels[scene == index])
    return out


def _held_out(values: Array, labels: Labels, scene: NDArray[np.int64], rng: np.random.Generator) -> float:
    return auc(_learned(values, labels, scene, rng), labels)


def _learned(values: Array, labels: Labels, scene: NDArray[np.int64], rng: np.random.Generator) -> Array:
    """Scores of a linear discriminant with diagonal covariance, learned per scene on the other folds."""
    scores = np.zeros(len(labels))
    for index in np.unique(scene):
        here = np.flatnonzero(scene == index)
        fold = _folds(labels[here], rng)
        for i in range(_FOLDS):
            learn, test = here[fold != i], here[fold == i]
            scores[test] = _discriminant(values[learn], labels[learn], values[test])
    return scores


def _folds(labels: Labels, rng: np.random.Generator) -> NDArray[np.int64]:
    """A fold for each trial, both faces spread evenly."""
    fold = np.zeros(len(labels), np.int64)
    for side in (True, False):
        rows = rng.permutation(np.flatnonzero(labels == side))
        fold[rows] = np.arange(len(rows)) % _FOLDS
    return fold


def _discriminant(learn: Array, labels: Labels, test: Array) -> Array:
    if labels.all() or not labels.any():
        return np.zeros(len(test))
    one, other = learn[labels], learn[~labels]
    weights = (one.mean(axis=0) - other.mean(axis=0)) / (one.var(axis=0) + other.var(axis=0) + 1e-3)
    scores: Array = (test - (one.mean(axis=0) + other.mean(axis=0)) / 2) @ weights
    return scores
