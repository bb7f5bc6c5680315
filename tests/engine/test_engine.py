"""The device thread: whatever happens to a batch, every caller gets an answer, and its own."""

import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest
import torch

from service.engine import MAX_BATCH, Engine, FaceTask
from service.errors import CallerGone, EngineBusy, EngineClosed
from tests.engine.devices import DIGEST, PATIENCE_S, PLAN, Broken, Networks, faces

Ask = Callable[..., "Future[list[Any]]"]


@pytest.fixture
def networks() -> Iterator[Networks]:
    made = Networks()
    yield made
    made.gate.set()


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(32) as made:
        yield made


class Watch:
    """What the engine says it did; and a way to wait for queued requests."""

    def __init__(self) -> None:
        self.batches: list[int] = []
        self.waits: list[float] = []

    def waited(self, seconds: float) -> None:
        self.waits.append(seconds)

    def solved(self, seconds: float, count: int) -> None:
        self.batches.append(count)


def _until(condition: Callable[[], bool]) -> None:
    tick = threading.Event()
    for _ in range(PATIENCE_S * 200):
        if condition():
            return
        tick.wait(0.005)
    raise AssertionError("it never came to that")


def _hold(engine: Engine, networks: Networks, pool: ThreadPoolExecutor) -> "Future[Any]":
    """Keep the device busy until the gate opens."""
    networks.gate.clear()
    networks.begun.clear()
    first = pool.submit(engine.anonymize, DIGEST, PLAN, faces(1, seed=99))
    assert networks.begun.wait(PATIENCE_S)
    return first


def _queue(engine: Engine, pool: ThreadPoolExecutor, *requests: list[FaceTask]) -> list["Future[Any]"]:
    made = []
    for number, tasks in enumerate(requests, 1):
        made.append(pool.submit(engine.anonymize, DIGEST, PLAN, tasks))
        _until(lambda n=number: engine.waiting == n)
    return made


def test_there_and_back() -> None:
    tasks = faces(3)
    with Engine(Networks()) as engine:
        strangers = engine.anonymize(DIGEST, PLAN, tasks)
        again = [replace(t, pixels=x[None], norms=n) for t, (x, n) in zip(tasks, strangers, strict=True)]
        back = engine.recover(DIGEST, PLAN, again)
    for task, (stranger, _), original in zip(tasks, strangers, back, strict=True):
        inside = task.context.generate[0].expand(3, -1, -1)
        assert (stranger - task.pixels[0])[inside].abs().mean() > 0.1
        assert (original - task.pixels[0])[inside].abs().max() < 1e-3


def test_requests_that_wait_together_share_a_batch_and_get_their_own(
    networks: Networks, pool: ThreadPoolExecutor
) -> None:
    watch = Watch()
    with Engine(networks, observer=watch) as engine:
        alone = [engine.anonymize(DIGEST, PLAN, faces(n, seed=n)) for n in (1, 2, 3)]
        watch.batches.clear()
        first = _hold(engine, networks, pool)
        waiting = _queue(engine, pool, *(faces(n, seed=n) for n in (1, 2, 3)))
        networks.gate.set()
        first.result(PATIENCE_S)
        together = [future.result(PATIENCE_S) for future in waiting]
    assert watch.batches == [1, 6]
    assert len(watch.waits) == 7
    for one, other in zip(alone, together, strict=True):
        for (x, norms), (y, more) in zip(one, other, strict=True):
            assert torch.allclose(x, y, atol=1e-9)
            assert norms == pytest.approx(more)


def test_other_plans_other_weights_and_too_many_faces_do_not_share(
    networks: Networks, pool: ThreadPoolExecutor
) -> None:
    watch = Watch()
    with Engine(networks, observer=watch) as engine:
        first = _hold(engine, networks, pool)
        waiting = _queue(engine, pool, faces(2, seed=1), faces(MAX_BATCH - 1, seed=2), faces(1, seed=3))
        waiting.append(pool.submit(engine.anonymize, DIGEST, replace(PLAN, t0=0.04), faces(1)))
        waiting.append(pool.submit(engine.anonymize, b"e" * 32, PLAN, faces(1)))
        waiting.append(pool.submit(engine.recover, DIGEST, PLAN, faces(1)))
        _until(lambda: engine.waiting == 6)
        networks.gate.set()
        assert [len(f.result(PATIENCE_S)) for f in [first, *waiting]] == [1, 2, MAX_BATCH - 1, 1, 1, 1, 1]
    assert watch.batches[:3] == [1, 3, MAX_BATCH - 1]
    assert sorted(watch.batches[3:]) == [1, 1, 1]


def test_many_faces_of_one_request_go_in_several_batches() -> None:
    watch = Watch()
    with Engine(Networks(), observer=watch) as engine:
        assert len(engine.anonymize(DIGEST, PLAN, faces(2 * MAX_BATCH + 1))) == 2 * MAX_BATCH + 1
    assert watch.batches == [MAX_BATCH, MAX_BATCH, 1]


def test_a_failed_batch_fails_only_the_request_at_fault(networks: Networks, pool: ThreadPoolExecutor) -> None:
    with Engine(networks) as engine:
        first = _hold(engine, networks, pool)
        good, bad, fine = _queue(engine, pool, faces(1), faces(1, poisoned=True), faces(2, seed=1))
        networks.gate.set()
        assert len(first.result(PATIENCE_S)) == 1
        assert len(good.result(PATIENCE_S)) == 1
        assert len(fine.result(PATIENCE_S)) == 2
        with pytest.raises(Broken):
            bad.result(PATIENCE_S)
        assert engine.alive
        assert len(engine.anonymize(DIGEST, PLAN, faces(1))) == 1


def test_progress_that_raises_fails_its_own_request(networks: Networks) -> None:
    def stop() -> None:
        raise Broken

    with Engine(networks) as engine:
        with pytest.raises(Broken):
            engine.anonymize(DIGEST, PLAN, faces(1), stop)
        assert engine.alive


def test_a_full_queue_refuses(networks: Networks, pool: ThreadPoolExecutor) -> None:
    with Engine(networks, queue_limit=2) as engine:
        first = _hold(engine, networks, pool)
        waiting = _queue(engine, pool, faces(1), faces(1))
        with pytest.raises(EngineBusy):
            engine.anonymize(DIGEST, PLAN, faces(1))
        networks.gate.set()
        assert all(len(future.result(PATIENCE_S)) == 1 for future in (first, *waiting))


def test_cancelled_work_never_reaches_the_device(networks: Networks, pool: ThreadPoolExecutor) -> None:
    gone = threading.Event()
    with Engine(networks) as engine:
        engine.anonymize(DIGEST, PLAN, faces(1))
        of_one = networks.evaluations
        first = _hold(engine, networks, pool)
        mine = pool.submit(engine.cancelled_by(gone).anonymize, DIGEST, PLAN, faces(1, seed=5))
        _until(lambda: engine.waiting == 1)
        gone.set()
        networks.gate.set()
        with pytest.raises(CallerGone):
            mine.result(PATIENCE_S)
        assert len(first.result(PATIENCE_S)) == 1
    assert networks.evaluations == 2 * of_one


def test_a_batch_that_nobody_waits_for_stops(networks: Networks, pool: ThreadPoolExecutor) -> None:
    watch, gone = Watch(), threading.Event()
    with Engine(networks, observer=watch) as engine:
        networks.gate.clear()
        mine = pool.submit(engine.cancelled_by(gone).anonymize, DIGEST, PLAN, faces(1))
        assert networks.begun.wait(PATIENCE_S)
        gone.set()
        networks.gate.set()
        with pytest.raises(CallerGone):
            mine.result(PATIENCE_S)
    assert watch.batches == []


def test_closing_finishes_what_waits(networks: Networks, pool: ThreadPoolExecutor) -> None:
    engine = Engine(networks)
    first = _hold(engine, networks, pool)
    waiting = _queue(engine, pool, faces(1), faces(2))
    closing = pool.submit(engine.close, PATIENCE_S)
    _until(lambda: not engine.alive)
    with pytest.raises(EngineClosed):
        engine.anonymize(DIGEST, PLAN, faces(1))
    networks.gate.set()
    closing.result(PATIENCE_S)
    assert [len(future.result(PATIENCE_S)) for future in (first, *waiting)] == [1, 1, 2]


def test_closing_fails_what_the_deadline_does_not_reach(networks: Networks, pool: ThreadPoolExecutor) -> None:
    watch = Watch()
    engine = Engine(networks, observer=watch)
    first = _hold(engine, networks, pool)
    waiting = _queue(engine, pool, faces(1), faces(2))
    engine.close(0.05)
    for future in (first, *waiting):
        with pytest.raises(EngineClosed):
            future.result(PATIENCE_S)
    networks.gate.set()
    engine.close(PATIENCE_S)
    assert watch.batches == []


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
