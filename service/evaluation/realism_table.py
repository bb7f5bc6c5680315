"""The table of ``visard evaluate realism``."""

from collections.abc import Iterator

from service.evaluation.realism import RealismReport

_NAME = 46


def render_realism(report: RealismReport) -> str:
    """The report as a table of text; what it was measured on comes first."""
    head = [
        f"photos   {report.photos} of {report.data}, one per person, seed {report.seed}",
        f"faces    {report.faces} of them; pixels per cell: {report.scale}",
        f"weights  {report.bundle}, R = {report.resolution}, tau = {report.tau}, digest {report.digest}",
        "",
    ]
    return "\n".join([*head, *(f"{name:{_NAME}} {value}" for name, value in (*_looks(report), *_geometry(report)))])


def _looks(report: RealismReport) -> Iterator[tuple[str, object]]:
    for features, figures in report.kid.items():
        yield f"KID, {features}: anonymized", figures.anonymized or "too few faces"
        yield f"KID, {features}: originals on the grid", figures.coarse or "too few faces"
        yield f"KID, {features}: originals", figures.original or "too few faces"


def _geometry(report: RealismReport) -> Iterator[tuple[str, object]]:
    utility = report.utility
    yield "a face is found again (IoU > 0.5)", utility.detected
    yield "the detector's confidence", utility.confidence
    yield "the same of the originals", utility.before
    yield "overlap of the boxes (IoU)", utility.box
    yield "landmark error, distances between the eyes", utility.landmarks
    yield "change of yaw (a proxy, same unit)", utility.yaw
    yield "change of roll, degrees", utility.roll
    yield "mask estimated again (IoU)", utility.mask
    for band, figures in report.latents.items():
        yield f"latent, {band}: deviation", figures.deviation
        yield f"latent, {band}: kurtosis", figures.kurtosis
    yield "seconds", f"{report.seconds:.0f}"
