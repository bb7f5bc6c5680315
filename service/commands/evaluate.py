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


@evaluate.command()
@click.option("--data", type=click.Path(exists=True, path_type=Path), required=True, help="Photos: a folder or a tar.")
@click.option("--limit", type=click.IntRange(min=1), default=16, show_default=True, help="Photos at most.")
@click.option("--seed", type=int, default=1, show_default=True, help="Chooses the photos.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object on stdout and nothing else.")
def speed(data: Path, limit: int, seed: int, as_json: bool) -> None:
    """Faces per second of VISARD_DEVICE, and what precision, N and K cost in recovery."""
    from service.evaluation.photos import choose_photos
    from service.evaluation.portraits import make_portrait
    from service.evaluation.speed import measure_speed
    from service.evaluation.speed_report import render_speed
    from service.faces.detection import CenterFaceDetector
    from service.imaging import decode
    from service.operations.picture import as_bytes
    from service.weights.bundles import Bundles

    settings = Settings()
    bundles = Bundles.open(settings.weights, settings.device)
    detector, resolution = CenterFaceDetector(), bundles.default.manifest.numerics.resolution
    pictures = [(photo.name, decode(photo.data)) for photo in choose_photos(data, limit, seed)]
    portraits = [make_portrait(name, as_bytes(picture.pixels), detector, resolution) for name, picture in pictures]
    report = measure_speed([portrait for portrait in portraits if portrait is not None], bundles)
    print(report.model_dump_json() if as_json else render_speed(report))
