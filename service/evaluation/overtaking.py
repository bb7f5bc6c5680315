"""A photo of one face that comes while a photo of many is on the device: how long it waits."""

import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor

from service.core.keystream import KEY_BYTES
from service.evaluation.figures import Figures
from service.evaluation.portraits import Portrait, task
from service.evaluation.studio import Studio
from service.operations.custody import plan_for


class OvertakingFigures(Figures):
    """Seconds are counted from the arrival of the small photo.

    Attributes:
        faces: of the large photo.
        seconds: until the small one was done.
        in_order: until both were; in order of arrival the small one would have come last.
    """

    faces: int
    seconds: float
    in_order: float


def measure_overtaking(portrait: Portrait, faces: int, studio: Studio) -> OvertakingFigures:
    """Send the main face of a portrait behind ``faces`` of the same."""
    bundle, engine = studio.parts.bundles.default, studio.parts.engine
    plan = plan_for(bundle.manifest.numerics, "band-rotation", lossy=False)
    view = portrait.views()[portrait.main]
    small, *large = [task(view, os.urandom(KEY_BYTES)) for _ in range(faces + 1)]
    begun = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        crowd = pool.submit(engine.anonymize, bundle.digest, plan, large, begun.set)
        # Whatever becomes of the large one, nobody waits for ever.
        crowd.add_done_callback(lambda _: begun.set())
        begun.wait()
        arrived = time.perf_counter()
        engine.anonymize(bundle.digest, plan, [small])
        answered = time.perf_counter()
        crowd.result()
        both = time.perf_counter()
    return OvertakingFigures(faces=faces, seconds=answered - arrived, in_order=both - arrived)
