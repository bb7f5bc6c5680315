"""The tables of ``visard evaluate lfw``: rows of text, for the terminal and for the page."""

from collections.abc import Iterator
from dataclasses import dataclass

from service.evaluation.columns import COLUMNS, Column
from service.evaluation.figures import Distribution
from service.evaluation.lfw_report import LfwReport
from service.evaluation.matching import FARS, Recognized
from service.evaluation.verdicts import verdicts
from service.evaluation.verification import BoundedRate


@dataclass(frozen=True, slots=True)
class Table:
    """A table.

    Attributes:
        title: above it.
        head: names of the columns; the first is empty.
        rows: as long as ``head`` each.
    """

    title: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    def text(self) -> str:
        """Aligned with spaces."""
        lines = [self.head, *self.rows]
        widths = [max(len(line[i]) for line in lines) for i in range(len(self.head))]
        shown = ("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) for line in lines)
        return "\n".join([self.title, *(line.rstrip() for line in shown), ""])


def render_lfw(report: LfwReport) -> str:
    """The report as text; what it was measured on comes first."""
    return "\n".join(
        [*(f"{name:9}{value}" for name, value in preface(report)), "", *(t.text() for t in tables(report))]
    )


def preface(report: LfwReport) -> Iterator[tuple[str, str]]:
    """What was measured on what."""
    run, matching = report.run, report.matching
    yield "pairs", f"{report.measured} of {report.pairs} of {run.data}, one per person, seed {run.seed}, faces at k = 1"
    yield "people", f"{report.people} others, {matching.impostors} cross-identity pairs, gallery of {matching.gallery}"
    yield "weights", f"{run.bundle}, R = {run.resolution}, digest {run.digest}"
    yield "judge", run.recognizer
    yield "command", report.command
    yield "took", ", ".join(f"{step} {_minutes(seconds)}" for step, seconds in report.seconds.items())


def tables(report: LfwReport) -> Iterator[Table]:
    """Every table of the report."""
    yield Table("What it must show", ("demand", "met", "within 95 %", "found"), tuple(_demands(report)))
    yield Table("Side by side; shares with 95 % intervals", ("", *COLUMNS), tuple(_side_by_side(report)))
    yield Table(
        "Who is recognized, 95 % intervals",
        ("", *(f"FAR {far:g}" for far in FARS), "first of all"),
        tuple(_people(report)),
    )
    yield Table(
        f"Files that come back changed ({report.changed_photos} photos; TAR at FAR {min(FARS):g})",
        (
            "",
            "all asked for",
            "pixels and key alone",
            "bit by bit",
            "confidence",
            "dB, median (90 %)",
            "SSIM",
            "distance to the original",
            "TAR, the original",
            "TAR, another photo",
        ),
        tuple(_changed(report)),
    )
    if report.attacks:
        yield Table("Attacks", ("", "scheme", "measured", "result", "note"), tuple(_attacks(report)))
    if report.cost is not None:
        cost = report.cost
        yield Table(
            "Cost of a face, one direction",
            ("", "network evaluations", "seconds there and back"),
            (
                ("ours", str(cost.evaluations), f"{cost.seconds:.2f}"),
                ("explicit DDIM", str(cost.ddim_evaluations), f"{cost.ddim_seconds:.2f}"),
            ),
        )


def _demands(report: LfwReport) -> Iterator[tuple[str, ...]]:
    for verdict in verdicts(report):
        yield verdict.demand, _yes(verdict.met), _yes(verdict.likely), verdict.found


def _side_by_side(report: LfwReport) -> Iterator[tuple[str, ...]]:
    restored, utility, matching = report.restored, report.utility, report.matching
    yield "recovered: PSNR, dB", *(_short(restored[c].psnr, 1) for c in COLUMNS)
    yield "recovered: SSIM", *(_short(restored[c].ssim, 3) for c in COLUMNS)
    yield "recovered: distance to the original", *(_short(restored[c].identity, 2) for c in COLUMNS)
    for i, far in enumerate(FARS):
        yield f"recovered: TAR, FAR {far:g}", *(_value(matching.recovered[c].other[i].whole) for c in COLUMNS)
    for i, far in enumerate(FARS):
        anonymized = matching.anonymized
        yield f"anonymized: TAR, FAR {far:g}", *(_value(anonymized[c].other[i].whole) for c in COLUMNS)
        yield f"  the same, blanked, FAR {far:g}", *(_value(anonymized[c].other[i].blank) for c in COLUMNS)
    yield "anonymized: a face is found", *(_value(utility[c].detected) for c in COLUMNS)
    yield "anonymized: box IoU", *(_short(utility[c].box, 2) for c in COLUMNS)
    yield "anonymized: landmark error / eye distance", *(_short(utility[c].landmarks, 3) for c in COLUMNS)
    yield "anonymized: change of yaw (proxy)", *(_short(utility[c].yaw, 3) for c in COLUMNS)
    yield "anonymized: mask IoU", *(_short(utility[c].mask, 2) for c in COLUMNS)


def _people(report: LfwReport) -> Iterator[tuple[str, ...]]:
    matching = report.matching
    yield from _recognized("original", matching.clean)
    versions: list[tuple[str, dict[Column, Recognized]]] = [
        ("anonymized", matching.anonymized),
        ("recovered", matching.recovered),
        ("wrong key", matching.wrong),
    ]
    for name, by_column in versions:
        for column in COLUMNS:
            if column in by_column:
                yield from _recognized(f"{name}, {column}", by_column[column])
    yield "two strangers of one photo", *(str(m.whole) for m in matching.strangers), ""
    yield "  blanked", *(str(m.blank) for m in matching.strangers), ""
    yield "KID (recognizer's embeddings), our rotation", str(report.kid or "too few faces"), "", ""


def _recognized(name: str, found: Recognized) -> Iterator[tuple[str, ...]]:
    yield f"{name}, against another photo", *(str(m.whole) for m in found.other), str(found.rank_one)
    yield "  blanked", *(str(m.blank) for m in found.other), str(found.rank_one_blank)
    if found.original is not None:
        yield "  against the original", *(str(m.whole) for m in found.original), ""
        yield "  against the original, blanked", *(str(m.blank) for m in found.original), ""


def _changed(report: LfwReport) -> Iterator[tuple[str, ...]]:
    for name, case in report.cases.items():
        answers = (
            ", ".join(f"{count} x {said}" for said, count in said_of.items())
            for said_of in (case.best, case.generative)
        )
        alike = _short(case.psnr, 1), _short(case.ssim, 3), _short(case.identity, 2)
        sure = _short(case.confidence, 2)
        yield name, *answers, _value(case.exact), sure, *alike, _value(case.recognized), _value(case.other)


def _attacks(report: LfwReport) -> Iterator[tuple[str, ...]]:
    for attack in report.attacks:
        yield attack.name, attack.scheme, attack.measure, str(attack), attack.note


def _short(values: Distribution, digits: int) -> str:
    if values.median is None or values.low is None or values.high is None:
        return "none"
    return f"{values.median:.{digits}f} ({values.low:.{digits}f} to {values.high:.{digits}f})"


def _value(rate: BoundedRate) -> str:
    return f"{rate.value:.3f} ({rate.low:.3f}-{rate.high:.3f})" if rate.of else "none"


def _minutes(seconds: float | None) -> str:
    return "not timed" if seconds is None else f"{seconds / 60:.1f} min"


def _yes(met: bool) -> str:
    return "yes" if met else "NO"
