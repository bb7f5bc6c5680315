"""What recompression leaves of a recovery, by scheme of the keyed transform and by codec."""

import io
import os
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

from service.core.keystream import KEY_BYTES
from service.core.scheme import model_to_levels
from service.core.transform import SCHEMES, Scheme
from service.evaluation.figures import Figures, Spread, psnr
from service.evaluation.portraits import Pixels, Portrait, task
from service.evaluation.studio import Studio
from service.operations.custody import plan_for


@dataclass(frozen=True, slots=True)
class Codec:
    """One way to write a lossy file with Pillow."""

    name: str
    plugin: str
    options: dict[str, Any]


CODECS = (
    Codec("JPEG 95", "JPEG", {"quality": 95, "subsampling": 0}),
    Codec("JPEG 90", "JPEG", {"quality": 90, "subsampling": 0}),
    Codec("JPEG 75", "JPEG", {"quality": 75, "subsampling": 0}),
    Codec("JPEG 90, 4:2:0", "JPEG", {"quality": 90, "subsampling": 2}),
    Codec("WebP 90", "WEBP", {"quality": 90}),
)


class SchemeFigures(Figures):
    """PSNR in dB of the recovered cells inside the mask, by codec and scheme.

    Attributes:
        photos: how many.
        spreads: by name of the codec, then of the scheme.
    """

    photos: int
    spreads: dict[str, dict[str, Spread]]


def measure_schemes(portraits: Iterable[Portrait], studio: Studio) -> SchemeFigures:
    """Anonymize each portrait with each scheme, write it with each codec, read it and recover."""
    values: dict[str, dict[str, list[float]]] = {codec.name: {s: [] for s in SCHEMES} for codec in CODECS}
    photos = 0
    for portrait in portraits:
        photos += 1
        for scheme in SCHEMES:
            for name, recovered in _through_codecs(portrait, scheme, studio).items():
                values[name][scheme] += recovered
    spreads = {name: {s: Spread.over(v) for s, v in schemes.items()} for name, schemes in values.items()}
    return SchemeFigures(photos=photos, spreads=spreads)


def _through_codecs(portrait: Portrait, scheme: Scheme, studio: Studio) -> dict[str, list[float]]:
    bundle, engine = studio.parts.bundles.default, studio.parts.engine
    plan = plan_for(bundle.manifest.numerics, scheme, lossy=True)
    originals = portrait.views()
    keys = [os.urandom(KEY_BYTES) for _ in originals]
    made = engine.anonymize(bundle.digest, plan, [task(v, key) for v, key in zip(originals, keys, strict=True)])
    drawn, beyond = portrait.drawn([x for x, _ in made])
    norms = [norms for _, norms in made]
    # All codecs in one list, so that the faces fill batches.
    shown = [view for codec in CODECS for view in portrait.views(_recompressed(drawn, codec, studio))]
    rounds = len(CODECS)
    secrets = list(zip(keys * rounds, norms * rounds, beyond * rounds, strict=True))
    back = engine.recover(bundle.digest, plan, [task(v, *secret) for v, secret in zip(shown, secrets, strict=True)])
    figures = []
    for (x, _), view in zip(back, originals * rounds, strict=True):
        inside = view.inside.counts > 0
        levels = np.clip(model_to_levels(x, view.top), 0, view.top)
        figures.append(psnr(levels[inside], view.inside.values[inside], view.top))
    per_codec = len(originals)
    return {codec.name: figures[i * per_codec : (i + 1) * per_codec] for i, codec in enumerate(CODECS)}


def _recompressed(pixels: Pixels, codec: Codec, studio: Studio) -> Pixels:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, codec.plugin, **codec.options)
    return np.asarray(studio.read(studio.write(buffer.getvalue(), codec.plugin.lower())).pixels, np.uint8)
