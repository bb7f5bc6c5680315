"""``visard evaluate roundtrip``: what comes back through files, measured."""

import time
from collections.abc import Iterable, Sequence
from pathlib import Path

from service.errors import NoFaces
from service.evaluation.batch import measure_batch
from service.evaluation.cost import measure_cost
from service.evaluation.faces_sheet import write_returned, write_shown
from service.evaluation.fidelity import measure_exact, measure_generative
from service.evaluation.game import play
from service.evaluation.large import SIZE, measure_large
from service.evaluation.photos import Photo, choose_photos
from service.evaluation.portraits import Portrait
from service.evaluation.progress import bar
from service.evaluation.report import RoundtripReport
from service.evaluation.schemes import measure_schemes
from service.evaluation.sitters import portrait_of
from service.evaluation.strangers import measure_strangers
from service.evaluation.studio import TENANT, Studio, studio_in
from service.operations.parts import Parts

_ON_SHEET = 40
_PART = 5
"""Of the photos, one in five goes through the measurements that cost most."""
_SCENES = 3
_ROUNDS = 5


def run_roundtrip(
    data: Path, out: Path, parts: Parts, limit: int, seed: int, large: tuple[int, int] = SIZE
) -> RoundtripReport:
    """Measure recovery, protection and cost on photos, through files.

    Writes ``faces.png`` and ``recoveries.png`` into ``out``; the files in between lie in a private
    directory there that is removed at the end.

    Args:
        data: a photo, a tar archive of photos, or a folder with both.
        out: made if missing.
        parts: with keys and records that may be written to (the tenant ``evaluation``).
        limit: photos at most; one per person.
        seed: chooses the photos.
        large: width and height of the large photo.

    Raises:
        FileUnusable: there are no photos, or ``out`` cannot be written to.
        NoFaces: none of the photos shows a face.
    """
    started = time.perf_counter()
    photos = choose_photos(data, limit, seed)
    parts.keys.create(TENANT)
    with studio_in(out, parts) as studio:
        report = _measured(photos, studio, out, data.name, seed, large)
    return report.model_copy(update={"seconds": time.perf_counter() - started})


def _measured(
    photos: Sequence[Photo], studio: Studio, out: Path, name: str, seed: int, large: tuple[int, int]
) -> RoundtripReport:
    bundle = studio.parts.bundles.default
    portraits = list(_portraits(photos, studio))
    if not portraits:
        raise NoFaces("no photo of the set shows a face")
    few = portraits[: max(1, len(photos) // _PART)]
    exact, shown = measure_exact(bar(photos, "exact"), studio)
    write_shown(shown[:_ON_SHEET], out / "faces.png")
    generative, returned = measure_generative(bar(portraits, "generative"), studio)
    write_returned(bar(returned[:_ON_SHEET], "sheet"), studio, out / "recoveries.png")
    return RoundtripReport(
        data=name,
        photos=len(photos),
        seed=seed,
        bundle=bundle.manifest.name,
        digest=bundle.digest.hex(),
        portraits=len(portraits),
        exact=exact,
        generative=generative,
        schemes=measure_schemes(bar(few, "recompression"), studio),
        strangers=measure_strangers(bar(returned[: 2 * len(few)], "wrong key"), studio, seed),
        game=play(portraits, studio, trials=_trials(len(photos)), count=_SCENES, seed=seed, scheme="band-rotation"),
        batch=measure_batch(portraits, studio),
        cost=measure_cost(portraits[0], studio, _ROUNDS),
        large=measure_large(shown, studio, large),
        seconds=0.0,
    )


def _trials(photos: int) -> int:
    """Per scene: as many as photos, an even number, at least four."""
    return max(4, photos // 2 * 2)


def _portraits(photos: Iterable[Photo], studio: Studio) -> Iterable[Portrait]:
    for photo in bar(photos, "photos"):
        portrait = portrait_of(photo, studio.parts)
        if portrait is not None:
            yield portrait
