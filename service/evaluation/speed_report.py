"""The table that ``visard evaluate speed`` prints."""

from service.evaluation.speed import SpeedReport


def render_speed(report: SpeedReport) -> str:
    """The report as text."""
    rates = ", ".join(f"{name} {rate:.1f}" for name, rate in report.matrix.items())
    lines = [
        f"device   {report.device}",
        f"matrix   {rates} TFLOP/s",
        f"network  {report.gflop:.1f} GFLOP per evaluation of a face",
        "",
        "batch    faces/s   with CUDA graphs   share of the float32 matrix rate",
    ]
    for pace in report.paces:
        graphed = "-" if pace.graphed is None else f"{pace.graphed:.2f}"
        lines.append(f"{pace.batch:5} {pace.faces_per_second:10.2f} {graphed:>18} {pace.share:10.1%}")
    lines += ["", "made, recovered                  faces/s   8-bit, dB per face                unrounded"]
    for row in report.precisions:
        names = f"{row.made}, {row.recovered}"
        rate = "-" if row.faces_per_second is None else f"{row.faces_per_second:.2f}"
        lines.append(f"{names:32} {rate:>7}   {row.eight_bit!s:34} {row.unrounded}")
    lines += ["", " N  K   8-bit, dB per face                unrounded"]
    lines += [f"{s.steps:2} {s.evaluations:2}   {s.eight_bit!s:34} {s.unrounded}" for s in report.sweeps]
    return "\n".join(lines)
