"""``visard evaluate realism``: how real anonymized faces look, for any weights."""

import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from service.errors import EvaluationUnavailable, NoFaces
from service.evaluation.backbone import BackboneFeatures
from service.evaluation.clues import see
from service.evaluation.faces_sheet import cut_face, write_grid, write_rows
from service.evaluation.figures import Array, Distribution, Figures
from service.evaluation.kid import Kid, measure_kid
from service.evaluation.latents import BandFigures, measure_latents
from service.evaluation.photos import Photo, choose_photos
from service.evaluation.portraits import Pixels
from service.evaluation.progress import bar
from service.evaluation.recognizers import DlibRecognizer, Recognizer
from service.evaluation.studio import TENANT, studio_in
from service.evaluation.subjects import Subject, main_face, make_subjects
from service.evaluation.utility import UtilityFigures, likeness
from service.imaging import decode
from service.operations.custody import plan_for
from service.operations.parts import Parts
from service.operations.picture import as_bytes

_WORST = 10
_INVERTED = 64


class LookFigures(Figures):
    """KID of three versions of the same photos against real faces of other people, on the same features.

    Attributes:
        anonymized: with strangers in them.
        coarse: the originals as the model's grid holds them: no weights of this resolution can do better.
        original: the originals: what chance gives.
    """

    anonymized: Kid | None
    coarse: Kid | None
    original: Kid | None


class RealismReport(Figures):
    """Everything that was measured.

    Attributes:
        data: name of the photo set.
        photos: chosen, one per person.
        faces: anonymized, one per photo in which a face was found.
        seed: that chose the photos.
        bundle, digest: the weights.
        resolution: R.
        tau: of the weights: coarse, middle, fine, leftover.
        scale: pixels per cell of the model's grid.
        kid: by name of the features.
        utility: detection and geometry.
        latents: by band.
        seconds: that it took.
    """

    data: str
    photos: int
    faces: int
    seed: int
    bundle: str
    digest: str
    resolution: int
    tau: tuple[float, float, float, float]
    scale: Distribution
    kid: dict[str, LookFigures]
    utility: UtilityFigures
    latents: dict[str, BandFigures]
    seconds: float


def run_realism(data: Path, out: Path, parts: Parts, limit: int, reference: int, seed: int) -> RealismReport:
    """Anonymize the main face of photos and compare them with real ones of other people.

    Writes ``strangers.png`` (every anonymized face, none left out) and ``worst.png`` (original and anonymized,
    the ten that the detector is least sure of) into ``out``.

    Args:
        data: a photo, a tar archive of photos, or a folder with both.
        out: made if missing.
        parts: with keys and records that may be written to (the tenant ``evaluation``).
        limit: photos to anonymize, one per person.
        reference: photos of other people to compare with.
        seed: chooses the photos.

    Raises:
        FileUnusable: there are no photos, or ``out`` cannot be written to.
        NoFaces: none of the photos shows a face.
    """
    started = time.perf_counter()
    chosen = choose_photos(data, limit + reference, seed)
    parts.keys.create(TENANT)
    with studio_in(out, parts) as studio:
        subjects = list(bar(make_subjects(chosen[:limit], studio), "anonymized", len(chosen[:limit])))
    if not subjects:
        raise NoFaces("no photo of the set shows a face")
    _write_sheets(subjects, out)
    bundle = parts.bundles.default
    return RealismReport(
        data=data.name,
        photos=len(chosen[:limit]),
        faces=len(subjects),
        seed=seed,
        bundle=bundle.manifest.name,
        digest=bundle.digest.hex(),
        resolution=bundle.manifest.numerics.resolution,
        tau=bundle.manifest.numerics.taus,
        scale=Distribution.over(subject.face.scale for subject in subjects),
        kid=measure_looks(subjects, list(_real_faces(chosen[limit:], parts)), seed),
        utility=UtilityFigures.over([likeness(subject.face, subject.found) for subject in subjects]),
        latents=measure_latents(_latents(subjects[:_INVERTED], parts)),
        seconds=time.perf_counter() - started,
    )


Face = tuple[Pixels, NDArray[np.float64]]
"""A picture, and the landmarks of the face in it."""


def measure_looks(subjects: Sequence[Subject], real: Sequence[Face], seed: int) -> dict[str, LookFigures]:
    """KID by name of the features: the detector's, and the recognizer's where it is installed."""
    figures = {}
    for extractor in _extractors():
        reference = _features(extractor, real)
        versions: dict[str, Callable[[Subject], Face]] = {
            "anonymized": lambda subject: (subject.shown, subject.shown_landmarks),
            "coarse": lambda subject: (subject.coarse, subject.landmarks),
            "original": lambda subject: (subject.original, subject.landmarks),
        }
        kids = {
            version: measure_kid(_features(extractor, [face(subject) for subject in subjects]), reference, seed)
            for version, face in versions.items()
        }
        figures[extractor.name] = LookFigures(**kids)
    return figures


def _extractors() -> Iterator[Recognizer]:
    yield BackboneFeatures()
    try:
        yield DlibRecognizer()
    except EvaluationUnavailable:
        return


def _features(extractor: Recognizer, faces: Sequence[Face]) -> Array:
    return np.array([extractor(*face) for face in bar(faces, extractor.name, len(faces))])


def _real_faces(photos: Sequence[Photo], parts: Parts) -> Iterator[Face]:
    for photo in bar(photos, "real faces", len(photos)):
        pixels = as_bytes(decode(photo.data, parts.limits).pixels)
        face = main_face(pixels, parts.detector)
        if face is not None:
            yield pixels, face.landmarks


def _latents(subjects: Sequence[Subject], parts: Parts) -> Iterator[tuple[Array, NDArray[np.bool_]]]:
    bundle = parts.bundles.default
    plan = plan_for(bundle.manifest.numerics, "band-rotation", lossy=False)
    views = [subject.view for subject in subjects]
    seen = see(views, parts.bundles, bundle.digest, plan)
    for view, face in zip(views, bar(seen, "latents", len(views)), strict=True):
        yield face.latent, view.inside.counts > 0


def _write_sheets(subjects: Sequence[Subject], out: Path) -> None:
    write_grid([cut_face(subject.shown, subject.face) for subject in subjects], out / "strangers.png")
    unsure = sorted(subjects, key=lambda subject: subject.found.confidence if subject.found else 0.0)[:_WORST]
    rows = [
        (
            f"{0 if subject.found is None else subject.found.confidence:.2f} {subject.name}",
            [cut_face(pixels, subject.face) for pixels in (subject.original, subject.shown)],
        )
        for subject in unsure
    ]
    write_rows(rows, out / "worst.png")
