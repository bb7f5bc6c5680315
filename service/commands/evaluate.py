"""``visard evaluate``."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from service.commands.files import write_file
from service.commands.options import json_option
from service.commands.throwaway import throwaway_parts
from service.core.transform import SCHEMES, Scheme
from service.settings import Settings

if TYPE_CHECKING:
    from service.evaluation.recognizers import ChannelOrder

_EXISTING = click.Path(exists=True, path_type=Path)


@click.group()
def evaluate() -> None:
    """Measure protection and recovery on photos."""


@evaluate.command()
@click.option("--data", type=_EXISTING, required=True, help="Photos: a folder or a tar.")
@click.option("--out", type=click.Path(path_type=Path), default=Path("evaluation"), show_default=True)
@click.option("--limit", type=click.IntRange(min=1), default=100, show_default=True, help="Photos at most.")
@click.option("--seed", type=int, default=1, show_default=True, help="Chooses the photos.")
@json_option
def roundtrip(data: Path, out: Path, limit: int, seed: int, as_json: bool) -> None:
    """Anonymize and recover photos through files of many kinds, and print what came of it."""
    from service.evaluation.report import render
    from service.evaluation.roundtrip import run_roundtrip

    with throwaway_parts() as (parts, _):
        report = run_roundtrip(data, out, parts, limit, seed)
    write_file(out / "roundtrip.json", report.model_dump_json(indent=2).encode())
    print(report.model_dump_json() if as_json else render(report))


@evaluate.command()
@click.option("--data", type=_EXISTING, required=True, help="Photos: a folder or a tar.")
@click.option("--limit", type=click.IntRange(min=1), default=16, show_default=True, help="Photos at most.")
@click.option("--seed", type=int, default=1, show_default=True, help="Chooses the photos.")
@json_option
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


@evaluate.command()
@click.option("--data", type=_EXISTING, required=True, help="Photos: a folder or a tar.")
@click.option("--out", type=click.Path(path_type=Path), default=Path("realism"), show_default=True)
@click.option("--limit", type=click.IntRange(min=1), default=200, show_default=True, help="Photos to anonymize.")
@click.option("--reference", type=click.IntRange(min=4), default=500, show_default=True, help="Real faces to compare.")
@click.option("--seed", type=int, default=1, show_default=True, help="Chooses the photos.")
@json_option
def realism(data: Path, out: Path, limit: int, reference: int, seed: int, as_json: bool) -> None:
    """Compare anonymized faces with real ones, and show all of them and the worst."""
    from service.evaluation.realism import run_realism
    from service.evaluation.realism_table import render_realism

    with throwaway_parts() as (parts, _):
        report = run_realism(data, out, parts, limit, reference, seed)
    write_file(out / "realism.json", report.model_dump_json(indent=2).encode())
    print(report.model_dump_json() if as_json else render_realism(report))


@evaluate.command()
@click.option("--data", type=_EXISTING, required=True, help="Photos and pairs.tsv: a folder or a tar.")
@click.option("--out", type=click.Path(path_type=Path), default=Path("lfw"), show_default=True)
@click.option("--limit", type=click.IntRange(min=1), default=40, show_default=True, help="Pairs, one per person.")
@click.option("--people", type=click.IntRange(min=2), default=600, show_default=True, help="Others, for thresholds.")
@click.option("--seed", type=int, default=1, show_default=True, help="Chooses pairs and people.")
@click.option("--attacks/--no-attacks", default=False, show_default=True, help="Try to break it, too.")
@click.option("--lessons", type=click.IntRange(min=0), default=0, help="Pairs to train a de-anonymizer on.")
@click.option("--onnx", type=_EXISTING, help="A recognizer as ONNX file (ArcFace, AdaFace) instead of dlib's.")
@click.option("--onnx-order", type=click.Choice(["rgb", "bgr"]), default="rgb", show_default=True)
@json_option
def lfw(
    data: Path,
    out: Path,
    limit: int,
    people: int,
    seed: int,
    attacks: bool,
    lessons: int,
    onnx: Path | None,
    onnx_order: "ChannelOrder",
    as_json: bool,
) -> None:
    """Measure protection, recovery and utility on labelled pairs, beside the published scheme."""
    from service.evaluation.lfw import Choices, run_lfw
    from service.evaluation.lfw_table import render_lfw
    from service.evaluation.recognizers import DlibRecognizer, OnnxRecognizer

    if lessons and not attacks:
        raise click.UsageError("--lessons trains an attack: give --attacks, too")
    recognizer = DlibRecognizer() if onnx is None else OnnxRecognizer(onnx, onnx_order)
    command = f"visard evaluate lfw --data {data.name} --limit {limit} --people {people} --seed {seed}"
    command += " --attacks" if attacks else ""
    command += f" --lessons {lessons}" if lessons else ""
    command += f" --onnx {onnx.name} --onnx-order {onnx_order}" if onnx else ""
    choices = Choices(limit, people, seed, attacks, lessons, command)
    with throwaway_parts() as (parts, _):
        report = run_lfw(data, out, parts, recognizer, choices)
    print(report.model_dump_json() if as_json else render_lfw(report))


@evaluate.command()
@click.option("--data", type=_EXISTING, required=True, help="Photos: a folder or a tar.")
@click.option("--scenes", type=click.IntRange(min=1), default=10, show_default=True, help="Of three people each.")
@click.option("--trials", type=click.IntRange(min=4), default=150, show_default=True, help="In each scene; even.")
@click.option("--seed", type=int, default=1, show_default=True, help="Chooses photos, scenes and labels.")
@click.option("--scheme", type=click.Choice(SCHEMES), default=SCHEMES[0], show_default=True, help="Of the transform.")
@json_option
def game(data: Path, scenes: int, trials: int, seed: int, scheme: Scheme, as_json: bool) -> None:
    """Guess from image and record which of two faces was anonymized."""
    from service.evaluation.guessing import render_game, run_game

    if trials % 2:
        raise click.UsageError("--trials must be even: each face is anonymized as often as the other")
    with throwaway_parts() as (parts, _):
        report = run_game(data, parts, scenes=scenes, trials=trials, seed=seed, scheme=scheme)
    print(report.model_dump_json() if as_json else render_game(report))
