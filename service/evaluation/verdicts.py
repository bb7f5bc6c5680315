"""What the evaluation must show, and whether it did."""

from collections.abc import Iterator, Sequence

from service.evaluation.attacks.deanonymizer import CONTROL, NEARER
from service.evaluation.attacks.magnitudes import MATCHING
from service.evaluation.figures import Figures
from service.evaluation.lfw_report import LfwReport
from service.evaluation.matching import Matches
from service.evaluation.verification import BoundedRate

_DECIBELS = 20.0
_POINT = 0.01
_TIMES_FAR = 1.5
_BLIND, _SEEING = 0.55, 0.95


class Verdict(Figures):
    """One demand.

    Attributes:
        demand: in words.
        met: whether the figure meets it.
        likely: whether its 95 % interval does not speak against it; for a demand without interval the same as ``met``.
        found: the figures.
    """

    demand: str
    met: bool
    likely: bool
    found: str


def verdicts(report: LfwReport) -> Iterator[Verdict]:
    """All of them that the report has figures for."""
    yield _distance_to_paper(report)
    yield from _recovered(report)
    yield from _hidden(report)
    yield from _wrong_key(report)
    yield from _magnitudes(report)
    yield from _learned(report)


def _distance_to_paper(report: LfwReport) -> Verdict:
    ours, paper = report.restored["ours, rotation"].psnr.median, report.restored["paper"].psnr.median
    ahead = (ours or 0.0) - (paper or 0.0)
    met = ahead >= _DECIBELS
    found = f"{ahead:+.1f} dB ({ours or 0:.1f} against {paper or 0:.1f}, medians)"
    return Verdict(demand="recovery at least 20 dB above the paper's", met=met, likely=met, found=found)


def _recovered(report: LfwReport) -> Iterator[Verdict]:
    matching = report.matching
    for recovered, clean in _zipped(matching.recovered["ours, rotation"].other, matching.clean.other):
        yield Verdict(
            demand=f"TAR of recovered faces within 1 point of the originals', FAR {clean.far:g}",
            met=recovered.whole.value >= clean.whole.value - _POINT,
            likely=recovered.whole.high >= clean.whole.value - _POINT,
            found=f"{recovered.whole} against {clean.whole}",
        )


def _hidden(report: LfwReport) -> Iterator[Verdict]:
    for matches in report.matching.anonymized["ours, rotation"].other:
        bound = _TIMES_FAR * matches.far
        yield Verdict(
            demand=f"TAR of anonymized faces, surroundings blanked, at most {bound:g}, FAR {matches.far:g}",
            met=matches.blank.value <= bound,
            likely=matches.blank.low <= bound,
            found=str(matches.blank),
        )


def _wrong_key(report: LfwReport) -> Iterator[Verdict]:
    matching = report.matching
    for wrong, hidden in _zipped(matching.wrong["ours, rotation"].other, matching.anonymized["ours, rotation"].other):
        yield Verdict(
            demand=f"TAR with a wrong key no higher than of anonymized faces, FAR {wrong.far:g}",
            met=wrong.whole.value <= hidden.whole.value,
            likely=_not_above(wrong.whole, hidden.whole),
            found=f"{wrong.whole} against {hidden.whole}",
        )


def _magnitudes(report: LfwReport) -> Iterator[Verdict]:
    """Only where the attack was made."""
    areas = {attack.scheme: attack for attack in report.attacks if attack.name == MATCHING}
    if areas:
        ours, signs = areas["band-rotation"], areas["signflip"]
        yield Verdict(
            demand=f"matching magnitudes: AUC at most {_BLIND} on the rotation, at least {_SEEING} on sign flips",
            met=ours.success <= _BLIND and signs.success >= _SEEING,
            likely=ours.low <= _BLIND and signs.high >= _SEEING,
            found=f"{ours} and {signs}",
        )


def _learned(report: LfwReport) -> Iterator[Verdict]:
    """Only where a network was trained."""
    for attack in report.attacks:
        if attack.name == NEARER and attack.scheme == "band-rotation":
            demand = "a trained de-anonymizer comes no nearer than its blind twin (interval)"
            yield Verdict(demand=demand, met=attack.low <= 0, likely=attack.low <= 0, found=str(attack))
        if attack.name == CONTROL:
            demand = "the same network comes nearer than its blind twin where nothing is hidden (interval)"
            yield Verdict(demand=demand, met=attack.low > 0, likely=attack.low > 0, found=str(attack))


def _not_above(one: BoundedRate, other: BoundedRate) -> bool:
    return one.low <= other.high


def _zipped(some: Sequence[Matches], others: Sequence[Matches]) -> Iterator[tuple[Matches, Matches]]:
    return zip(some, others, strict=True)
