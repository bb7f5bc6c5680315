"""One pair of photos: what every method made of the first, seen beside the second."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from pydantic import Field
from skimage.metrics import structural_similarity

from service.evaluation.columns import COLUMNS, Column, Versions, anonymized_again, in_parallel, run_column
from service.evaluation.faces_sheet import cut_face
from service.evaluation.figures import Figures, psnr
from service.evaluation.ledger import Kept
from service.evaluation.pairs import Pair, PairSet
from service.evaluation.photos import Photo
from service.evaluation.portraits import Pixels
from service.evaluation.recognizers import Recognizer
from service.evaluation.sitters import Looked, Sitter, look, seat
from service.evaluation.studio import Studio


class ColumnResult(Figures):
    """One picture through one method.

    Attributes:
        anonymized, recovered, wrong: as they are seen; ``wrong`` with a key of which one bit is different.
        psnr: of the recovered pixels inside the mask, dB.
        ssim: of the recovered face, over the rectangle around the mask.
    """

    anonymized: Looked
    recovered: Looked
    wrong: Looked | None
    psnr: float
    ssim: float


class PairResult(Kept):
    """One pair.

    Attributes:
        a, b: names of the photo files; ``a`` was anonymized.
        person: who is on both.
        clean, other: ``a`` and ``b`` as they are.
        second: ``a`` with another stranger, made by our rotation with another nonce.
        columns: by method; empty when no face was found in one of the photos.
    """

    a: str
    b: str
    person: str
    clean: Looked | None = None
    other: Looked | None = None
    second: Looked | None = None
    columns: dict[Column, ColumnResult] = Field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Lab:
    """What pairs are measured with.

    Attributes:
        studio: where pictures are anonymized and recovered.
        recognizer: that looks at them.
        pairs: the photos.
        strips: folder for one picture of each pair.
    """

    studio: Studio
    recognizer: Recognizer
    pairs: PairSet = field(repr=False)
    strips: Path

    def look(self, sitter: Sitter, pixels: Pixels) -> Looked:
        """See ``sitters.look``."""
        return look(sitter, pixels, self.studio.parts, self.recognizer)

    def seat(self, photos: Sequence[Photo]) -> list[Sitter | None]:
        """See ``sitters.seat``."""
        with ThreadPoolExecutor() as pool:
            return list(pool.map(lambda photo: seat(photo, self.studio.parts), photos))


def measure_pairs(pairs: Sequence[Pair], lab: Lab) -> list[PairResult]:
    """Every method on a few pairs at once; one picture of each is written into the folder of strips."""
    first = lab.seat([lab.pairs.photo(pair.a) for pair in pairs])
    second = lab.seat([lab.pairs.photo(pair.b) for pair in pairs])
    both = [(p, a, b) for p, a, b in zip(pairs, first, second, strict=True) if a is not None and b is not None]
    sitters = [a for _, a, _ in both]
    versions = {column: run_column(column, sitters, lab.studio) for column in COLUMNS}
    strangers = in_parallel(lambda sitter: anonymized_again(sitter, lab.studio), sitters)
    results = {}
    for i, (pair, a, b) in enumerate(both):
        mine = {column: made[i] for column, made in versions.items()}
        _write_strip(a, b, mine, lab.strips / strip_name(pair.a))
        results[pair] = PairResult(
            a=pair.a,
            b=pair.b,
            person=pair.person,
            clean=lab.look(a, a.pixels),
            other=lab.look(b, b.pixels),
            second=lab.look(a, strangers[i]),
            columns={column: _seen(a, one, lab) for column, one in mine.items()},
        )
    return [results.get(pair, PairResult(a=pair.a, b=pair.b, person=pair.person)) for pair in pairs]


def strip_name(photo: str) -> str:
    """Name of the picture of a pair."""
    return f"{Path(photo).stem}.png"


def _seen(sitter: Sitter, versions: Versions, lab: Lab) -> ColumnResult:
    owned = sitter.portrait.owner == 0
    return ColumnResult(
        anonymized=lab.look(sitter, versions.anonymized),
        recovered=lab.look(sitter, versions.recovered),
        wrong=None if versions.wrong is None else lab.look(sitter, versions.wrong),
        psnr=psnr(versions.recovered[owned], sitter.pixels[owned]),
        ssim=face_ssim(versions.recovered, sitter),
    )


def face_ssim(pixels: Pixels, sitter: Sitter) -> float:
    """SSIM (Wang et al. 2004) over the rectangle around the mask."""
    rows, columns = (np.flatnonzero((sitter.portrait.owner == 0).any(axis=axis)) for axis in (1, 0))
    box = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    similar: Any = structural_similarity
    return float(similar(pixels[box], sitter.pixels[box], channel_axis=2, data_range=255))


def _write_strip(a: Sitter, b: Sitter, versions: dict[Column, Versions], path: Path) -> None:
    """Side by side: both photos, then anonymized and recovered by each method, then what a wrong key gives."""
    of_a = [a.pixels, *(pixels for one in versions.values() for pixels in (one.anonymized, one.recovered))]
    of_a += [one.wrong for one in versions.values() if one.wrong is not None]
    first, *rest = (cut_face(pixels, a.face) for pixels in of_a)
    Image.fromarray(np.concatenate([first, cut_face(b.pixels, b.face), *rest], axis=1)).save(path)
