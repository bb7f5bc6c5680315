"""A large photo that one face fills, through the command line in a process of its own.

The faces of a network that was never trained are found nowhere: each photo is drawn as often as may be.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from tests.effort import count
from tests.faces.people import ASTRONAUT_FACE, astronaut

UNIT = count(50, 100)
"""Pixels; a photo is 60 of them wide and 40 high: 6 megapixels, or 24."""


def test_a_large_photo_with_a_large_face_in_bounded_memory(tmp_path: Path, small_bundle: Path) -> None:
    height, width, left = 40 * UNIT, 60 * UNIT, 5 * UNIT
    scale = 25 * UNIT / (ASTRONAUT_FACE[3] - ASTRONAUT_FACE[1])
    head = astronaut()[0:200, 100:360]
    large = cv2.resize(head, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)[:height, :width]
    photo = np.full((height, width, 3), 140, np.uint8)
    photo[: large.shape[0], left : left + large.shape[1]] = large
    Image.fromarray(photo).save(tmp_path / "photo.jpg", quality=90)
    settings = {"VISARD_HOME": str(tmp_path / "home"), "VISARD_WEIGHTS": str(small_bundle)}
    command = [sys.executable, "-m", "service", "anonymize", str(tmp_path / "photo.jpg"), str(tmp_path / "out.jpg")]
    # Not started from here: the peak of a child begins at what this process, with all its tests, has had.
    measured = subprocess.run(
        [sys.executable, "-m", "service.evaluation.child", *command],
        check=True,
        stdout=subprocess.PIPE,
        env={**os.environ, **settings},
    )
    usage = json.loads(measured.stdout)
    assert usage["code"] == 0
    middle = np.s_[20 * UNIT : 30 * UNIT, 26 * UNIT : 36 * UNIT]
    stranger = np.asarray(Image.open(tmp_path / "out.jpg"))[middle]
    assert np.abs(stranger.astype(int) - photo[middle]).mean() > 5
    assert usage["peak_bytes"] < 3 * 2**30 * UNIT / 100
