"""``report.html``: tables, plots and pictures in one file that asks no other address for anything."""

import base64
from collections.abc import Iterator, Sequence
from html import escape
from pathlib import Path

import numpy as np

from service.evaluation.columns import COLUMNS
from service.evaluation.lfw_report import LfwReport
from service.evaluation.lfw_table import Table, preface, tables
from service.evaluation.matching import FARS, POINTS
from service.evaluation.pair_results import PairResult
from service.evaluation.plots import bars, curves, histograms

_STYLE = (
    "body{font:14px sans-serif;margin:2em;max-width:1500px}table{border-collapse:collapse;margin:1em 0}"
    "td,th{border:1px solid #ccc;padding:3px 8px;text-align:left;vertical-align:top}th{background:#f3f3f3}"
    "figure{margin:1em 0;overflow-x:auto}svg{margin:0 1em 1em 0}"
)
STRIP = (
    "original",
    "other photo",
    *(f"{column}: {what}" for column in COLUMNS for what in ("anonymized", "recovered")),
    *(f"{column}: wrong key" for column in COLUMNS[2:]),
)
"""What a strip shows, from left to right."""


def write_page(report: LfwReport, pairs: Sequence[PairResult], strips: Sequence[Path], path: Path) -> None:
    """Write the page; ``strips`` are pictures of pairs, shown in their order."""
    path.write_text("\n".join(_page(report, pairs, strips)), encoding="utf-8")


def _page(report: LfwReport, pairs: Sequence[PairResult], strips: Sequence[Path]) -> Iterator[str]:
    yield '<!doctype html><html lang="en"><meta charset="utf-8"><title>Visard: evaluation</title>'
    yield f"<style>{_STYLE}</style>"
    yield "<h1>Does it protect, does it give back?</h1>"
    yield (
        "<table>"
        + "".join(f"<tr><th>{n}</th><td>{escape(value)}</td></tr>" for n, value in preface(report))
        + "</table>"
    )
    yield "<div>" + "".join(_plots(report, pairs)) + "</div>"
    for table in tables(report):
        yield _table(table)
    yield "<h2>Pictures</h2><p>From left to right: " + escape(", ".join(STRIP)) + ".</p>"
    for strip in strips:
        data = base64.b64encode(strip.read_bytes()).decode()
        name = escape(strip.stem)
        yield f'<figure><figcaption>{name}</figcaption><img alt="{name}" src="data:image/png;base64,{data}"></figure>'
    yield "</html>"


def _table(table: Table) -> str:
    rows = [
        "<tr>" + "".join(f"<{tag}>{escape(cell)}</{tag}>" for cell in line) + "</tr>"
        for tag, lines in (("th", [table.head]), ("td", table.rows))
        for line in lines
    ]
    return f"<h2>{escape(table.title)}</h2><table>{''.join(rows)}</table>"


def _plots(report: LfwReport, pairs: Sequence[PairResult]) -> Iterator[str]:
    matching = report.matching
    lines = {"original": matching.clean.curve}
    lines |= {f"recovered, {c}": matching.recovered[c].curve for c in ("paper", "ours, rotation")}
    lines |= {f"anonymized, {c}": matching.anonymized[c].curve for c in ("paper", "ours, rotation")}
    yield curves("ROC against another photo of the person", POINTS.tolist(), lines, "false accept rate", "TAR")
    yield histograms("Distances to another photo", _scores(pairs), "distance", _marks(report))
    yield histograms("PSNR of recoveries", {c: report.restored[c].values for c in COLUMNS}, "dB, inside the mask", {})
    if report.cost is not None:
        cost = report.cost
        seconds = {"ours": cost.seconds, "explicit DDIM": cost.ddim_seconds}
        yield bars("Cost of a face", seconds, f"seconds there and back, {cost.device}, {cost.threads} threads")


def _scores(pairs: Sequence[PairResult]) -> dict[str, list[float]]:
    scores: dict[str, list[float]] = {"original": [], "anonymized": [], "recovered": []}
    for pair in pairs:
        if pair.clean is None or pair.other is None:
            continue
        ours = pair.columns["ours, rotation"]
        for name, seen in (("original", pair.clean), ("anonymized", ours.anonymized), ("recovered", ours.recovered)):
            scores[name].append(float(np.linalg.norm(np.subtract(seen.whole, pair.other.whole))))
    return scores


def _marks(report: LfwReport) -> dict[str, float]:
    return {f"FAR {far:g}": value for far, value in zip(FARS, report.matching.thresholds["whole"], strict=True)}
