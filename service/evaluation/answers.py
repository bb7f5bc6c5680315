"""What the service answers when an anonymized file comes back changed: exact, generative, or a refusal."""

import io
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from PIL import Image
from pydantic import Field

from service.engine import MAX_BATCH
from service.errors import VisardError
from service.evaluation.figures import Figures, psnr
from service.evaluation.ledger import Kept
from service.evaluation.pair_results import Lab, face_ssim
from service.evaluation.pairs import Pair
from service.evaluation.portraits import Pixels
from service.evaluation.sitters import Looked, Sitter
from service.evaluation.studio import TENANT, Made, Studio
from service.operations.picture import as_bytes
from service.operations.recover import Recovered, RecoverRequest, recover

WRITINGS: dict[str, dict[str, Any]] = {
    "PNG, 8 bits": {"format": "png"},
    "PNG, 16 bits": {"format": "png", "depth": 16},
    "WebP": {"format": "webp"},
    "JPEG": {"format": "jpeg"},
}
"""How the service wrote a file: choices of ``AnonymizeRequest``."""

Change = Callable[[bytes], bytes]


@dataclass(frozen=True, slots=True)
class Case:
    """How a file was written, and what happened to it.

    Attributes:
        name: for reports.
        writing: key of ``WRITINGS``.
        change: what somebody did to the file; its metadata is lost then, and the record is named by its id.
    """

    name: str
    writing: str = "PNG, 8 bits"
    change: Change | None = None


def _saved(edit: Callable[[Image.Image], Image.Image], plugin: str, **options: Any) -> Change:
    def change(data: bytes) -> bytes:
        out = io.BytesIO()
        with Image.open(io.BytesIO(data)) as image:
            edit(image.convert("RGB")).save(out, plugin, **options)
        return out.getvalue()

    return change


def _same(image: Image.Image) -> Image.Image:
    return image


def _half(image: Image.Image) -> Image.Image:
    return image.resize((max(1, image.width // 2), max(1, image.height // 2)), Image.Resampling.LANCZOS)


def _cropped(image: Image.Image) -> Image.Image:
    x, y = image.width // 10, image.height // 10
    return image.crop((x, y, image.width - x, image.height - y))


def _screenshot(image: Image.Image) -> Image.Image:
    """Shown a quarter larger, and scaled back to its size."""
    shown = image.resize((image.width * 5 // 4, image.height * 5 // 4), Image.Resampling.BILINEAR)
    return shown.resize(image.size, Image.Resampling.BILINEAR)


CASES = (
    *(Case(writing, writing) for writing in WRITINGS),
    *(Case(f"saved again as JPEG {q}", change=_saved(_same, "JPEG", quality=q)) for q in (95, 90, 75, 50)),
    Case("resized to 50 %", change=_saved(_half, "PNG")),
    Case("cropped by 10 %", change=_saved(_cropped, "PNG")),
    Case("screenshot: scaled, JPEG 85", change=_saved(_screenshot, "JPEG", quality=85)),
)


class Answer(Figures):
    """One case.

    Attributes:
        best: what was answered when all was asked for: fidelity and what was proved, or the refusal.
        generative: the same when only pixels, key and record were to be used.
        exact: whether the face pixels came back as they were, when all was asked for.
        psnr: of the generative recovery inside the mask, dB; None when it was refused.
        ssim: of the same, over the rectangle around the mask.
        confidence: that the service has in it.
        recovered: the generative recovery, as it is seen.
    """

    best: str
    generative: str
    exact: bool
    psnr: float | None
    ssim: float | None
    confidence: float | None
    recovered: Looked | None = None


class AnswersResult(Kept):
    """One photo.

    Attributes:
        photo: name of the file.
        clean: the photo as it is seen.
        cases: by name of the case; empty when no face was found.
    """

    photo: str
    clean: Looked | None = None
    cases: dict[str, Answer] = Field(default_factory=dict)


def measure_answers(pairs: Sequence[Pair], lab: Lab) -> list[AnswersResult]:
    """Every case on the first photos of a few pairs."""
    sitters = lab.seat([lab.pairs.photo(pair.a) for pair in pairs])
    seated = [(i, sitter) for i, sitter in enumerate(sitters) if sitter is not None]
    with ThreadPoolExecutor(MAX_BATCH) as pool:
        orders = [(i, sitter, writing) for i, sitter in seated for writing in WRITINGS]
        files = pool.map(lambda order: order[1].made(lab.studio, **WRITINGS[order[2]]), orders)
        made = {(i, writing): file for (i, _, writing), file in zip(orders, files, strict=True)}
        jobs = [(i, sitter, case) for i, sitter in seated for case in CASES]
        tried = list(pool.map(lambda job: _try(job[1], made[job[0], job[2].writing], job[2], lab.studio), jobs))
    cases: list[dict[str, Answer]] = [{} for _ in pairs]
    for (i, sitter, case), (answer, recovered) in zip(jobs, tried, strict=True):
        seen = None if recovered is None else lab.look(sitter, recovered)
        cases[i][case.name] = answer.model_copy(update={"recovered": seen})
    return [
        AnswersResult(photo=pair.a, clean=None if s is None else lab.look(s, s.pixels), cases=found)
        for pair, s, found in zip(pairs, sitters, cases, strict=True)
    ]


def _try(sitter: Sitter, made: Made, case: Case, studio: Studio) -> tuple[Answer, Pixels | None]:
    owned = sitter.portrait.owner == 0
    best, _, pixels = _asked(made, case, "best", studio)
    exact = pixels is not None and bool(np.array_equal(pixels[owned], sitter.pixels[owned]))
    generative, confidence, pixels = _asked(made, case, "generative", studio)
    answer = Answer(best=best, generative=generative, exact=exact, psnr=None, ssim=None, confidence=confidence)
    if pixels is None:
        return answer, None
    near, similar = psnr(pixels[owned], sitter.pixels[owned]), face_ssim(pixels, sitter)
    return answer.model_copy(update={"psnr": near, "ssim": similar}), pixels


def _asked(
    made: Made, case: Case, fidelity: Literal["best", "generative"], studio: Studio
) -> tuple[str, float | None, Pixels | None]:
    """What the service says, its confidence, and the picture it hands out, read back from its file."""
    data = made.file.read_bytes()
    given = studio.write(data if case.change is None else case.change(data), "changed")
    ask = RecoverRequest(
        tenant=TENANT,
        subject="evaluation",
        reason="evaluation",
        fidelity=fidelity,
        record=None if case.change is None else made.answer.record,
    )
    try:
        answer = recover(given.read_bytes(), ask, studio.parts)
    except VisardError as refusal:
        return f"refused: {type(refusal).__name__}", None, None
    shown = as_bytes(studio.read(studio.write(answer.data, answer.format)).pixels)
    return _said(answer), answer.confidence, shown


def _said(answer: Recovered) -> str:
    return f"{answer.fidelity}, verified: {answer.verified}"
