"""The report of ``visard evaluate roundtrip``, and its table."""

from collections.abc import Iterator

from service.core.transform import SCHEMES
from service.evaluation.batch import BatchFigures
from service.evaluation.cost import CostFigures
from service.evaluation.fidelity import ExactFigures, GenerativeFigures
from service.evaluation.figures import Figures, Rate
from service.evaluation.game import GameFigures
from service.evaluation.large import LargeFigures
from service.evaluation.schemes import SchemeFigures
from service.evaluation.strangers import StrangerFigures

_NAME = 46


class RoundtripReport(Figures):
    """Everything that was measured.

    Attributes:
        data: name of the photo set.
        photos: how many were chosen, one per person.
        seed: that chose them.
        bundle: name of the weights.
        digest: of the weights, hex.
        portraits: how many of the photos have a face at k = 1 when shrunk.
        seconds: that the evaluation took.
    """

    data: str
    photos: int
    seed: int
    bundle: str
    digest: str
    portraits: int
    exact: ExactFigures
    generative: GenerativeFigures
    schemes: SchemeFigures
    strangers: StrangerFigures
    game: GameFigures
    batch: BatchFigures
    cost: CostFigures
    large: LargeFigures
    seconds: float


def render(report: RoundtripReport) -> str:
    """The report as a table of text; what it was measured on comes first."""
    head = [
        f"photos   {report.photos} of {report.data}, one per person, seed {report.seed}",
        f"weights  {report.bundle}, digest {report.digest}",
        f"command  visard evaluate roundtrip --data {report.data} --limit {report.photos} --seed {report.seed}",
        "",
    ]
    rows = [*_fidelity(report), *_protection(report), *_cost(report)]
    return "\n".join([*head, *(f"{name:{_NAME}} {value}" for name, value in rows), "", *_codecs(report.schemes)])


def _fidelity(report: RoundtripReport) -> Iterator[tuple[str, str]]:
    exact, generative, batch = report.exact, report.generative, report.batch
    yield "exact: photos bit by bit, PNG", str(exact.image)
    for format, rate in exact.faces.items():
        yield f"exact: face pixels of photos, {format}", str(rate)
    yield "outside the mask identical, PNG", str(exact.outside)
    yield "the same at k = 1", str(generative.outside)
    yield "photos without a face found", str(Rate(hits=len(exact.without_faces), of=report.photos))
    yield "generative, 8-bit PNG, k = 1, dB per face", str(generative.png8)
    yield "generative, 16-bit PNG, dB per face", str(generative.png16)
    yield "generative, 16-bit PNG, every pixel exact", str(generative.png16_exact)
    yield "lowest, 8-bit PNG", ", ".join(generative.worst)
    yield f"made in a batch of {batch.faces}, recovered so, dB", str(batch.together)
    yield "made so, recovered alone, dB", str(batch.alone)
    yield "largest difference between both, levels", f"{batch.largest_difference:.2g}"


def _protection(report: RoundtripReport) -> Iterator[tuple[str, str]]:
    strangers = report.strangers
    yield "wrong key (one bit) to original, dB", str(strangers.wrong_key)
    yield "stranger to stranger, dB", str(strangers.strangers)
    yield "stranger to original, dB", str(strangers.stranger_to_original)
    if strangers.difference is not None and strangers.interval is not None:
        low, high = strangers.interval
        yield "wrong key minus strangers, median, dB", f"{strangers.difference:+.2f} (95 %: {low:+.2f} to {high:+.2f})"
    yield "wrong key nearer than strangers, faces", str(strangers.nearer)
    yield from report.game.rows()
    yield "a face is found again (IoU > 0.5), faces", str(report.exact.detected)


def _cost(report: RoundtripReport) -> Iterator[tuple[str, str]]:
    cost, large = report.cost, report.large
    where = f"{cost.device}, {cost.threads} threads, median of {cost.rounds}"
    yield "network evaluations per direction", f"{cost.evaluations} (explicit DDIM: {cost.ddim_evaluations})"
    yield "seconds per face", f"{cost.seconds:.2f} (explicit DDIM: {cost.ddim_seconds:.2f}; {where})"
    megapixels = large.width * large.height / 1e6
    smallest = "none" if large.smallest_found is None else f"{large.smallest_found:.0f} px"
    yield f"{megapixels:.0f} megapixels: faces found", f"{large.found}, smallest {smallest}"
    ended = "" if large.code == 0 else f", FAILED with exit code {large.code}"
    yield (
        f"{megapixels:.0f} megapixels: peak memory, time",
        (f"{large.peak_bytes / 2**30:.2f} GiB, {large.seconds:.0f} s{ended}"),
    )
    yield "the evaluation took", f"{report.seconds / 60:.1f} min"


def _codecs(figures: SchemeFigures) -> Iterator[str]:
    yield f"recompressed, dB per face: median, worst ({figures.photos} photos)"
    yield f"{'':18}" + "".join(f"{scheme:>22}" for scheme in SCHEMES)
    for codec, by_scheme in figures.spreads.items():
        cells = []
        for scheme in SCHEMES:
            spread = by_scheme[scheme]
            empty = spread.median is None or spread.worst is None
            cells.append("none" if empty else f"{spread.median:.1f}, {spread.worst:.1f} (n = {spread.count})")
        yield f"{codec:18}" + "".join(f"{cell:>22}" for cell in cells)
