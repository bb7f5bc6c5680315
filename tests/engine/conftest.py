"""Networks that can be held up, and callers who wait for them."""

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest

from service.engine import Engine, FaceTask
from tests.engine.devices import DIGEST, PATIENCE_S, PLAN, Networks, faces
from tests.waiting import until


@pytest.fixture
def networks() -> Iterator[Networks]:
    made = Networks()
    yield made
    made.gate.set()


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(32) as made:
        yield made


def hold(engine: Engine, networks: Networks, pool: ThreadPoolExecutor) -> "Future[Any]":
    """Keep the device busy until the gate opens."""
    networks.gate.clear()
    networks.begun.clear()
    first = pool.submit(engine.anonymize, DIGEST, PLAN, faces(1, seed=99))
    assert networks.begun.wait(PATIENCE_S)
    return first


def queue(engine: Engine, pool: ThreadPoolExecutor, *requests: list[FaceTask]) -> list["Future[Any]"]:
    """Ask, one after another, while the device is held."""
    made = []
    for number, tasks in enumerate(requests, 1):
        made.append(pool.submit(engine.anonymize, DIGEST, PLAN, tasks))
        until(lambda n=number: engine.waiting == n, 0.005)
    return made
