"""The option that names training photos, and the faces in them."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from service.training.faceset import FaceSet

photos_option = click.option(
    "--data",
    type=click.Path(exists=True, path_type=Path),
    multiple=True,
    required=True,
    help="A tar archive of photos, or a folder: its photos and tar archives. May be given several times.",
)


def faces_of(data: Sequence[Path], run: Path) -> "FaceSet":
    """The faces in the photos of a run; says first what is read.

    Raises:
        FileUnusable: as ``read_photos`` does.
        BadInput: as ``load_face_set`` does.
    """
    from service.faces.detection import CenterFaceDetector
    from service.training.faceset import load_face_set, read_photos

    sources = read_photos(data)
    for source in sources:
        click.echo(f"photos: {len(source.files)} of {source.path}")
    return load_face_set(sources, run / "faces.npz", CenterFaceDetector())
