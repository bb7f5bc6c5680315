"""The key rotates while images are made: every one of them comes back."""

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from service.imaging import decode
from service.records.codec import read_header
from tests.api.conftest import TENANT, pixels_of
from tests.custody.conftest import DRILLS, Start, photo, picture

IMAGES = 200 if DRILLS else 24
ROTATIONS = 5
THREADS = 4


def test_all_images_come_back_exactly(mode: str, start: Start) -> None:
    service = start(mode)
    keys = service.desk.parts.keys
    done = 0
    counting = threading.Lock()

    def make(number: int) -> bytes:
        nonlocal done
        answer = service.post("/v1/anonymize", "all", photo(number))
        assert answer.status_code == 200, answer.text
        with counting:
            done += 1
            due = done % (IMAGES // (ROTATIONS + 1)) == 0 and done // (IMAGES // (ROTATIONS + 1)) <= ROTATIONS
        if due:
            keys.rotate(TENANT)
        return answer.content

    with ThreadPoolExecutor(THREADS) as pool:
        made = list(pool.map(make, range(IMAGES)))
    assert keys.current_version(TENANT) == ROTATIONS + 1
    made.append(make(IMAGES))
    versions = {read_header(decode(image).record or b"").key_version for image in made}
    assert {1, ROTATIONS + 1} <= versions

    def back(number: int) -> bool:
        answer = service.post("/v1/recover", "all", made[number], reason="test")
        assert answer.status_code == 200, answer.text
        assert (answer.headers["x-visard-fidelity"], answer.headers["x-visard-verified"]) == ("exact", "image")
        return np.array_equal(pixels_of(answer.content), picture(number))

    with ThreadPoolExecutor(THREADS) as pool:
        assert all(pool.map(back, range(IMAGES + 1)))
