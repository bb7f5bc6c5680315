"""``visard bundle``: what a weights bundle promises, and making one from a training run."""

import json
from pathlib import Path

import click

from service.commands.options import json_option
from service.commands.training_photos import faces_of, photos_option
from service.settings import Settings
from service.training.config import Ends
from service.weights.bundles import Bundle, Bundles

_ENDS = Ends()


@click.group()
def bundle() -> None:
    """Weights bundles."""


@bundle.command()
@json_option
def info(as_json: bool) -> None:
    """Describe the bundle that new images are made with."""
    facts = _facts(Bundles.open(Settings().weights).default)
    if as_json:
        print(json.dumps(facts))
        return
    for name, value in facts.items():
        print(f"{name:20} {json.dumps(value) if isinstance(value, dict | list) else value}")


@bundle.command()
@click.option("--run", type=click.Path(exists=True, path_type=Path), required=True, help="Directory `train` wrote.")
@photos_option
@click.option("--out", type=click.Path(path_type=Path), required=True)
@click.option("--name", required=True)
@click.option(
    "--tau",
    type=float,
    nargs=4,
    default=_ENDS.tau,
    show_default=True,
    help="Norm of the latent per coefficient: coarse, middle, fine, leftover.",
)
@click.option("--t0", type=float, default=_ENDS.t0, show_default=True, help="Time of the pixels: grain.")
@click.option(
    "--t0-lossy", type=float, default=_ENDS.t0_lossy, show_default=True, help="The same for JPEG and WebP output."
)
@click.option("--t1", type=float, default=_ENDS.t1, show_default=True, help="Time of the latent.")
@click.option("--faces", "count", type=click.IntRange(min=1), default=8, show_default=True, help="Faces measured.")
def make(
    run: Path,
    data: tuple[Path, ...],
    out: Path,
    name: str,
    tau: tuple[float, float, float, float],
    t0: float,
    t0_lossy: float,
    t1: float,
    count: int,
) -> None:
    """Make a bundle from a training run: N, K and the grid are chosen by measuring."""
    from service.training.bundling import make_bundle

    faces = faces_of(data, run)
    ends = Ends(t0, t0_lossy, t1, tau)
    make_bundle(run, faces, out, name, ends=ends, count=count, device=Settings().device)
    made = Bundle.read(out)
    click.echo(f"{name}: {made.manifest.numerics.nfe} network evaluations per direction, digest {made.digest.hex()}")


def _facts(found: Bundle) -> dict[str, object]:
    numerics = found.manifest.numerics
    return {
        "name": found.manifest.name,
        "digest": found.digest.hex(),
        "resolution": numerics.resolution,
        "N": numerics.steps,
        "K": numerics.evaluations,
        "network_evaluations": numerics.nfe,
        **numerics.model_dump(include={"patch", "t0", "t0_lossy", "t1", "grid", "tau"}),
        "recipe": found.manifest.recipe,
        "metrics": found.manifest.metrics,
    }
