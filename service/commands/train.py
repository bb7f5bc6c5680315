"""``visard train``."""

from pathlib import Path

import click

from service.commands.training_photos import faces_of, photos_option
from service.training.config import TrainConfig


@click.command()
@photos_option
@click.option(
    "--out", type=click.Path(path_type=Path), required=True, help="Run directory; an interrupted run resumes."
)
@click.option("--config", type=click.Path(exists=True, path_type=Path), help="JSON of TrainConfig fields.")
@click.option("--images", type=int, help="Length of the run, over the configuration's.")
@click.option("--minutes", type=float, help="Stop after so long, with a checkpoint to resume from.")
@click.option("--warm-start", type=click.Path(exists=True, path_type=Path), help="A bundle to start from.")
def train(
    data: tuple[Path, ...],
    out: Path,
    config: Path | None,
    images: int | None,
    minutes: float | None,
    warm_start: Path | None,
) -> None:
    """Train a denoiser on the faces in photos."""
    from service.training.run import train as run

    settings = TrainConfig.model_validate_json(config.read_bytes()) if config else TrainConfig()
    if images is not None:
        settings = settings.model_copy(update={"images": images})
    faces = faces_of(data, out)
    seen = run(settings, faces, out, warm_start=warm_start, seconds=None if minutes is None else 60 * minutes)
    click.echo(f"trained on {seen} of {settings.images} images: {out}")
