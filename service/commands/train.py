"""``visard train``."""

from pathlib import Path

import click

from service.faces.detection import CenterFaceDetector
from service.training.config import TrainConfig
from service.training.faceset import load_face_set


@click.command()
@click.option("--data", type=click.Path(exists=True, path_type=Path), required=True, help="Folder of photos or tars.")
@click.option(
    "--out", type=click.Path(path_type=Path), required=True, help="Run directory; an interrupted run resumes."
)
@click.option("--config", type=click.Path(exists=True, path_type=Path), help="JSON of TrainConfig fields.")
@click.option("--images", type=int, help="Length of the run, over the configuration's.")
@click.option("--minutes", type=float, help="Stop after so long, with a checkpoint to resume from.")
@click.option("--warm-start", type=click.Path(exists=True, path_type=Path), help="A bundle to start from.")
def train(
    data: Path, out: Path, config: Path | None, images: int | None, minutes: float | None, warm_start: Path | None
) -> None:
    """Train a denoiser on the faces of a folder of photos."""
    from service.training.run import train as run

    settings = TrainConfig.model_validate_json(config.read_bytes()) if config else TrainConfig()
    if images is not None:
        settings = settings.model_copy(update={"images": images})
    faces = load_face_set(data, out / "faces.npz", CenterFaceDetector())
    seen = run(settings, faces, out, warm_start=warm_start, seconds=None if minutes is None else 60 * minutes)
    click.echo(f"trained on {seen} of {settings.images} images: {out}")
