"""``visard evaluate``."""

import tempfile
from pathlib import Path

import click

from service.app import open_parts
from service.commands.files import write_file
from service.settings import Settings


@click.group()
def evaluate() -> None:
    """Measure protection and recovery on photos."""


@evaluate.command()
@click.option("--data", type=click.Path(exists=True, path_type=Path), required=True, help="Photos: a folder or a tar.")
@click.option("--out", type=click.Path(path_type=Path), default=Path("evaluation"), show_default=True)
@click.option("--limit", type=click.IntRange(min=1), default=100, show_default=True, help="Photos at most.")
@click.option("--seed", type=int, default=1, show_default=True, help="Chooses the photos.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object on stdout and nothing else.")
def roundtrip(data: Path, out: Path, limit: int, seed: int, as_json: bool) -> None:
    """Anonymize and recover photos through files of many kinds, and print what came of it."""
    from service.evaluation.report import render
    from service.evaluation.roundtrip import run_roundtrip

    with tempfile.TemporaryDirectory(prefix="visard-evaluation-") as home:
        # Keys and records of an evaluation are nobody's: they go with it.
        parts = open_parts(Settings().model_copy(update={"home": Path(home), "database_url": None}))
        report = run_roundtrip(data, out, parts, limit, seed)
    write_file(out / "roundtrip.json", report.model_dump_json(indent=2).encode())
    print(report.model_dump_json() if as_json else render(report))
