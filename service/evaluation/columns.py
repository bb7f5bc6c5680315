"""The methods side by side: each anonymizes and recovers the same pictures, through files."""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Literal, TypeVar, get_args

import numpy as np
import torch
from numpy.typing import NDArray

from service.core.context import Context
from service.core.keystream import KEY_BYTES
from service.core.resample import quantized
from service.core.scheme import levels_to_model, model_to_levels
from service.core.transform import Scheme
from service.engine import MAX_BATCH
from service.evaluation.paper import Explicit, Implicit, carry, whole_crop
from service.evaluation.portraits import Pixels
from service.evaluation.sitters import Sitter
from service.evaluation.studio import Studio
from service.evaluation.utility import mask_in_crop, same_face
from service.faces.crops import FaceView, paste_face, view_face
from service.faces.masks import cells_of
from service.faces.search import find_faces
from service.operations.custody import plan_for
from service.operations.picture import as_bytes

_T = TypeVar("_T")
_Item = TypeVar("_Item")

Column = Literal["paper", "paper, our solver", "ours, sign flip", "ours, rotation"]
COLUMNS: tuple[Column, ...] = get_args(Column)

_OURS: dict[Column, Scheme] = {"ours, sign flip": "signflip", "ours, rotation": "band-rotation"}


@dataclass(frozen=True, slots=True)
class Versions:
    """One picture through one method, each read back from its file.

    Attributes:
        anonymized, recovered: (H, W, 3) uint8.
        wrong: recovered with a key of which one bit is different; of our methods only.
    """

    anonymized: Pixels = field(repr=False)
    recovered: Pixels = field(repr=False)
    wrong: Pixels | None = field(repr=False, default=None)


def run_column(column: Column, sitters: Sequence[Sitter], studio: Studio) -> list[Versions]:
    """Anonymize each sitter, write, read, recover from pixels and key, write and read again."""
    if column in _OURS:
        return in_parallel(lambda sitter: _ours(sitter, _OURS[column], studio), sitters)
    plan = plan_for(studio.parts.bundles.default.manifest.numerics, "signflip", lossy=False)
    solver = Explicit() if column == "paper" else Implicit(plan)
    return [
        versions
        for start in range(0, len(sitters), MAX_BATCH)
        for versions in _paper(sitters[start : start + MAX_BATCH], solver, studio)
    ]


def in_parallel(work: Callable[[_Item], _T], items: Sequence[_Item]) -> list[_T]:
    """Several at a time, so that the engine has batches to fill."""
    with ThreadPoolExecutor(MAX_BATCH) as pool:
        return list(pool.map(work, items))


def anonymized_again(sitter: Sitter, studio: Studio) -> Pixels:
    """A second stranger: the same picture, another nonce."""
    return as_bytes(sitter.made(studio, format="png", scheme="band-rotation").picture.pixels)


def _ours(sitter: Sitter, scheme: Scheme, studio: Studio) -> Versions:
    made = sitter.made(studio, format="png", scheme=scheme)
    _, recovered = studio.recover(made, "generative")
    wrong = studio.wrong_key(made)
    return Versions(as_bytes(made.picture.pixels), as_bytes(recovered.pixels), as_bytes(wrong.pixels))


def _paper(sitters: Sequence[Sitter], solver: Explicit | Implicit, studio: Studio) -> list[Versions]:
    keys = [os.urandom(KEY_BYTES) for _ in sitters]
    masks = np.stack([cells_of(sitter.face.bitmap) for sitter in sitters])
    anonymized = _carried(sitters, [sitter.pixels for sitter in sitters], masks, keys, solver, studio)
    again = np.stack([_estimated(sitter, shown, studio) for sitter, shown in zip(sitters, anonymized, strict=True)])
    recovered = _carried(sitters, anonymized, again, keys, solver, studio)
    return [Versions(*pair) for pair in zip(anonymized, recovered, strict=True)]


def _carried(
    sitters: Sequence[Sitter],
    pictures: Sequence[Pixels],
    masks: NDArray[np.bool_],
    keys: Sequence[bytes],
    solver: Explicit | Implicit,
    studio: Studio,
) -> list[Pixels]:
    """The pictures after one pass, as their files have them."""
    bundles = studio.parts.bundles
    views = [_whole(sitter, pixels) for sitter, pixels in zip(sitters, pictures, strict=True)]
    context = Context.stack([view.context() for view in views]).to(bundles.device)
    levels = torch.cat([levels_to_model(view.inside.values, view.top) for view in views]).to(bundles.device)
    carried = carry(bundles.denoiser(bundles.default.digest), levels, context, masks, keys, solver)
    out = []
    for view, x, pixels in zip(views, carried, pictures, strict=True):
        drawn = pixels.copy()
        paste_face(drawn, view, quantized(model_to_levels(x, view.top), view.inside.counts, view.top))
        out.append(as_bytes(studio.read(studio.write_png(drawn)).pixels))
    return out


def _whole(sitter: Sitter, pixels: Pixels) -> FaceView:
    owner = whole_crop(sitter.face, (pixels.shape[0], pixels.shape[1]))
    return view_face(pixels, owner, 0, sitter.face)


def _estimated(sitter: Sitter, shown: Pixels, studio: Studio) -> NDArray[np.bool_]:
    """The mask from the anonymized picture; the true one where no face is found in it, which is kind."""
    found = same_face(sitter.face, find_faces(shown, studio.parts.detector))
    return cells_of(sitter.face.bitmap if found is None else mask_in_crop(sitter.face, found))
