"""The report of ``visard evaluate lfw``: figures from the results of pairs."""

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

from service.evaluation.answers import CASES, AnswersResult
from service.evaluation.attacks.attack import AttackFigures
from service.evaluation.columns import COLUMNS, Column
from service.evaluation.cost import CostFigures
from service.evaluation.figures import Distribution, Figures
from service.evaluation.kid import Kid, measure_kid
from service.evaluation.matching import FARS, Matching, Person
from service.evaluation.pair_results import PairResult
from service.evaluation.sitters import Looked
from service.evaluation.utility import UtilityFigures
from service.evaluation.verification import BoundedRate, accepted


class Restored(Figures):
    """Recovery from an 8-bit PNG, pixels and key, inside the mask.

    Attributes:
        psnr: dB.
        ssim: over the rectangle around the mask.
        identity: distance of the recovered face from the original, to the recognizer.
        values: each PSNR, for a plot.
    """

    psnr: Distribution
    ssim: Distribution
    identity: Distribution
    values: list[float]


class CaseFigures(Figures):
    """One way a file came back.

    Attributes:
        best, generative: how often each answer was given.
        exact: faces that came back bit by bit.
        confidence: that the service has in generative recoveries.
        psnr: of the same, dB.
        ssim: of the same, over the rectangle around the mask.
        identity: distance of the same from the original, to the recognizer.
        recognized: the same accepted as the original at the strictest FAR.
        other: the same accepted as the other photo of the person at that FAR.
    """

    best: dict[str, int]
    generative: dict[str, int]
    exact: BoundedRate
    confidence: Distribution
    psnr: Distribution
    ssim: Distribution
    identity: Distribution
    recognized: BoundedRate
    other: BoundedRate


class Run(Figures):
    """What was measured with what; two results with one ``Run`` may be put together.

    Attributes:
        data: name of the set.
        seed: chose pairs and people.
        bundle, digest: the weights.
        resolution: R.
        recognizer: its name.
    """

    data: str
    seed: int
    bundle: str
    digest: str
    resolution: int
    recognizer: str


class LfwReport(Figures):
    """Everything.

    Attributes:
        pairs: chosen, one per person; and how many of them show a face in both photos.
        people: photos of other people behind the thresholds.
        changed_photos: photos behind ``cases``.
        kid: of the faces our rotation made, on the recognizer's embeddings, against the people.
        seconds: that the results of each step took, in whatever run; None where a ledger does not say.
    """

    run: Run
    command: str
    pairs: int
    measured: int
    people: int
    matching: Matching
    restored: dict[Column, Restored]
    utility: dict[Column, UtilityFigures]
    kid: Kid | None
    cases: dict[str, CaseFigures]
    changed_photos: int
    attacks: list[AttackFigures]
    cost: CostFigures | None
    seconds: dict[str, float | None]


def restored_by_column(pairs: Sequence[PairResult]) -> dict[Column, Restored]:
    """How well each method gives back."""
    return {column: _restored(pairs, column) for column in COLUMNS}


def _restored(pairs: Sequence[PairResult], column: Column) -> Restored:
    results = [(pair.columns[column], pair.clean) for pair in pairs if pair.columns]
    values = [result.psnr for result, _ in results]
    apart = _distances([result.recovered for result, _ in results], [clean for _, clean in results])
    return Restored(
        psnr=Distribution.over(values),
        ssim=Distribution.over(result.ssim for result, _ in results),
        identity=Distribution.over(apart),
        values=values,
    )


def utility_by_column(pairs: Sequence[PairResult]) -> dict[Column, UtilityFigures]:
    """What each method leaves to a detector."""
    return {
        column: UtilityFigures.over([pair.columns[column].anonymized.likeness for pair in pairs if pair.columns])
        for column in COLUMNS
    }


def kid_of_rotation(pairs: Sequence[PairResult], people: Sequence[Person], seed: int) -> Kid | None:
    """Realism on the recognizer's embeddings."""
    made = [pair.columns["ours, rotation"].anonymized.whole for pair in pairs if pair.columns]
    return measure_kid(np.array(made), np.array([p.seen.whole for p in people if p.seen]), seed)


def figures_by_case(
    results: Sequence[AnswersResult], pairs: Sequence[PairResult], matching: Matching
) -> dict[str, CaseFigures]:
    """What came back after each change; ``pairs`` have the other photos."""
    limit = matching.thresholds["whole"][FARS.index(min(FARS))]
    others = {pair.a: pair.other for pair in pairs}
    return {
        case.name: _case([result for result in results if result.cases], case.name, others, limit) for case in CASES
    }


def _case(
    results: Sequence[AnswersResult], name: str, others: Mapping[str, Looked | None], limit: float
) -> CaseFigures:
    answers = [result.cases[name] for result in results]
    recovered = [answer.recovered for answer in answers]
    apart = _distances(recovered, [result.clean for result in results])
    return CaseFigures(
        best=dict(Counter(answer.best for answer in answers)),
        generative=dict(Counter(answer.generative for answer in answers)),
        exact=BoundedRate.counted(answer.exact for answer in answers),
        psnr=Distribution.over(answer.psnr for answer in answers if answer.psnr is not None),
        ssim=Distribution.over(answer.ssim for answer in answers if answer.ssim is not None),
        confidence=Distribution.over(answer.confidence for answer in answers if answer.confidence is not None),
        identity=Distribution.over(apart),
        recognized=accepted(apart, limit),
        other=accepted(_distances(recovered, [others[result.photo] for result in results]), limit),
    )


def _distances(some: Sequence[Looked | None], others: Sequence[Looked | None]) -> list[float]:
    """Between those that are both there."""
    both = zip(some, others, strict=True)
    return [float(np.linalg.norm(np.subtract(one.whole, other.whole))) for one, other in both if one and other]
