"""A large photo that one face fills, through the command line in a process of its own."""

import json
import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from tests.faces.people import ASTRONAUT_FACE, astronaut

_FACE_HEIGHT = 2500


def test_a_photo_of_24_megapixels_with_a_large_face_in_bounded_memory(tmp_path: Path, small_bundle: Path) -> None:
    scale = _FACE_HEIGHT / (ASTRONAUT_FACE[3] - ASTRONAUT_FACE[1])
    head = astronaut()[0:200, 100:360]
    large = cv2.resize(head, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)[:4000, :6000]
    photo = np.full((4000, 6000, 3), 140, np.uint8)
    photo[: large.shape[0], 500 : 500 + large.shape[1]] = large
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
    middle = np.s_[2000:3000, 2600:3600]
    stranger = np.asarray(Image.open(tmp_path / "out.jpg"))[middle]
    assert np.abs(stranger.astype(int) - photo[middle]).mean() > 5
    assert usage["peak_bytes"] < 3 * 2**30
