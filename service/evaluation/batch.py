"""Made in a batch, recovered alone: what the batch changes."""

import os
from collections.abc import Sequence

import numpy as np
from torch import Tensor

from service.core.keystream import KEY_BYTES
from service.core.scheme import model_to_levels
from service.engine import MAX_BATCH, FaceTask
from service.evaluation.figures import Array, Figures, Spread, psnr
from service.evaluation.portraits import Portrait, task
from service.evaluation.studio import Studio
from service.faces.crops import FaceView
from service.operations.custody import plan_for


class BatchFigures(Figures):
    """Main faces of portraits, anonymized in one batch, written as 8-bit PNG and recovered twice.

    Attributes:
        faces: in the batch.
        together: PSNR inside the mask when they are recovered in a batch, dB.
        alone: the same when each is recovered by itself.
        largest_difference: between both recoveries, in 8-bit levels.
    """

    faces: int
    together: Spread
    alone: Spread
    largest_difference: float


def measure_batch(portraits: Sequence[Portrait], studio: Studio) -> BatchFigures:
    """Anonymize the main faces of the first portraits in a batch; recover in a batch and one by one."""
    chosen = [Portrait(p.name, p.pixels, (p.faces[p.main],)) for p in portraits[:MAX_BATCH]]
    bundle, engine = studio.parts.bundles.default, studio.parts.engine
    plan = plan_for(bundle.manifest.numerics, "band-rotation", lossy=False)
    originals = [portrait.views()[0] for portrait in chosen]
    keys = [os.urandom(KEY_BYTES) for _ in chosen]
    tasks = [task(view, key) for view, key in zip(originals, keys, strict=True)]
    made = engine.anonymize(bundle.digest, plan, tasks)
    shown: list[FaceTask] = []
    for portrait, key, (x, norms) in zip(chosen, keys, made, strict=True):
        pixels, beyond = portrait.drawn([x])
        filed = studio.read(studio.write_png(pixels)).pixels
        shown.append(task(portrait.views(filed)[0], key, norms, beyond[0]))
    together = engine.recover(bundle.digest, plan, shown)
    alone = [engine.recover(bundle.digest, plan, [one])[0] for one in shown]
    pairs = [(_cells(a, v), _cells(b, v)) for (a, _), (b, _), v in zip(together, alone, originals, strict=True)]
    truth = [view.inside.values[view.inside.counts > 0] for view in originals]
    return BatchFigures(
        faces=len(chosen),
        together=Spread.over(psnr(a, t) for (a, _), t in zip(pairs, truth, strict=True)),
        alone=Spread.over(psnr(b, t) for (_, b), t in zip(pairs, truth, strict=True)),
        largest_difference=max((float(np.abs(a - b).max()) for a, b in pairs), default=0.0),
    )


def _cells(x: Tensor, view: FaceView) -> Array:
    """(n, 3) levels inside the mask."""
    return np.clip(model_to_levels(x, view.top), 0, view.top)[view.inside.counts > 0]
