"""An engine is closed: what waits is finished or told so, in time."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from service.engine import Engine
from service.errors import EngineClosed
from tests.engine.conftest import hold, queue
from tests.engine.devices import DIGEST, PATIENCE_S, PLAN, Networks, faces
from tests.waiting import until


def test_closing_finishes_what_waits(networks: Networks, pool: ThreadPoolExecutor) -> None:
    engine = Engine(networks)
    first = hold(engine, networks, pool)
    waiting = queue(engine, pool, faces(1), faces(2))
    closing = pool.submit(engine.close, PATIENCE_S)
    until(lambda: not engine.alive)
    with pytest.raises(EngineClosed):
        engine.anonymize(DIGEST, PLAN, faces(1))
    networks.gate.set()
    closing.result(PATIENCE_S)
    assert [len(future.result(PATIENCE_S)) for future in (first, *waiting)] == [1, 1, 2]


def test_closing_fails_what_the_deadline_does_not_reach(networks: Networks, pool: ThreadPoolExecutor) -> None:
    engine = Engine(networks)
    first = hold(engine, networks, pool)
    waiting = queue(engine, pool, faces(1), faces(2))
    engine.close(0.05)
    for future in (first, *waiting):
        with pytest.raises(EngineClosed):
            future.result(PATIENCE_S)
    networks.gate.set()
    engine.close(PATIENCE_S)
    assert networks.sizes == [1]


def test_an_unused_engine_closes() -> None:
    engine = Engine(Networks())
    assert engine.alive
    engine.close()
    assert not engine.alive


def test_the_thread_does_not_keep_a_process_alive() -> None:
    program = (
        "from service.engine import Engine; from tests.engine.devices import *; "
        "engine = Engine(Networks()); print(len(engine.anonymize(DIGEST, PLAN, faces(1))))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "1\n", "")
