"""``visard evaluate game``: the game with so many trials that chance seldom looks like a leak."""

import itertools
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from service.core.transform import Scheme
from service.errors import NoFaces
from service.evaluation.figures import Figures
from service.evaluation.game import GameFigures, play
from service.evaluation.photos import choose_photos
from service.evaluation.portraits import Portrait
from service.evaluation.scenes import APART
from service.evaluation.sitters import portrait_of
from service.evaluation.studio import TENANT, Studio
from service.operations.parts import Parts

_NAME = 34
_SPARE = 2
"""Photos looked at for each that is needed: some show no face."""


class GameReport(Figures):
    """What came of it, and of what.

    Attributes:
        data: name of the photo set.
        seed: that chose photos, scenes and labels.
        scheme: of the keyed transform.
        bundle: name of the weights.
        digest: of the weights, hex.
        seconds: that it took.
    """

    data: str
    seed: int
    scheme: Scheme
    bundle: str
    digest: str
    game: GameFigures
    seconds: float


def run_game(data: Path, parts: Parts, *, scenes: int, trials: int, seed: int, scheme: Scheme) -> GameReport:
    """Play on photos, through files in a private directory that is removed at the end.

    Args:
        data: a photo, a tar archive of photos, or a folder with both.
        parts: with keys and records that may be written to (the tenant ``evaluation``).
        scenes: contexts, of three people each.
        trials: in each scene, an even number.

    Raises:
        FileUnusable: there are no photos.
        NoFaces: too few of them show a face.
    """
    started = time.perf_counter()
    needed = APART * scenes
    most = _SPARE * needed
    portraits = list(itertools.islice(_portraits(data, most, seed, parts), needed))
    if len(portraits) < needed:
        raise NoFaces(
            f"{scenes} scenes need {needed} photos with a face; {len(portraits)} were found among "
            f"those of {most} people at most"
        )
    parts.keys.create(TENANT)
    bundle = parts.bundles.default
    with tempfile.TemporaryDirectory(prefix="visard-game-") as folder:
        studio = Studio(parts, Path(folder))
        played = play(portraits, studio, trials=trials, count=scenes, seed=seed, scheme=scheme)
    return GameReport(
        data=data.name,
        seed=seed,
        scheme=scheme,
        bundle=bundle.manifest.name,
        digest=bundle.digest.hex(),
        game=played,
        seconds=time.perf_counter() - started,
    )


def _portraits(data: Path, limit: int, seed: int, parts: Parts) -> Iterator[Portrait]:
    found = (portrait_of(photo, parts) for photo in choose_photos(data, limit, seed))
    return (portrait for portrait in found if portrait is not None)


def render_game(report: GameReport) -> str:
    """The report as a table of text, every statistic in it."""
    game = report.game
    trials = game.trials // game.scenes
    options = f"--scenes {game.scenes} --trials {trials} --seed {report.seed} --scheme {report.scheme}"
    head = [
        f"weights  {report.bundle}, digest {report.digest}",
        f"command  visard evaluate game --data {report.data} {options}",
        "",
    ]
    rows = [*game.rows(), ("the game took", f"{report.seconds / 60:.1f} min"), *_single(game)]
    return "\n".join([*head, *(f"{name:{_NAME}} {value}" for name, value in rows)])


def _single(game: GameFigures) -> Iterator[tuple[str, str]]:
    for name, area in sorted(game.single.items(), key=lambda pair: -pair[1]):
        yield f"  {name}", f"{area:.3f}"
