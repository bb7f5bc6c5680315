"""The device thread: whatever happens to an evaluation, every caller gets an answer, and its own."""

import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import ContextVar, copy_context
from dataclasses import replace
from typing import Any, cast

import pytest
import torch

from service.engine import MAX_BATCH, Engine, FaceTask
from service.errors import CallerGone, EngineBusy, EngineClosed
from tests.engine.devices import DIGEST, EVALUATIONS, PATIENCE_S, PLAN, Broken, Networks, faces
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


CALLER = ContextVar("caller", default="nobody")


class Watch:
    """What the engine says it did."""

    def __init__(self) -> None:
        self.told: list[tuple[str, str]] = []
        self.waits: list[float] = []
        self.solves: list[float] = []
        self.sizes: list[int] = []

    def spent(self, phase: str, seconds: float) -> None:
        (self.waits if phase == "queue" else self.solves).append(seconds)
        self.told.append((phase, CALLER.get()))

    def evaluated(self, seconds: float, count: int) -> None:
        assert seconds >= 0
        self.sizes.append(count)


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
        until(lambda n=number: engine.waiting == n, 0.005)
    return made


def test_there_and_back() -> None:
    tasks = faces(3)
    with Engine(Networks()) as engine:
        strangers = engine.anonymize(DIGEST, PLAN, tasks)
        again = [replace(t, pixels=x[None], norms=n) for t, (x, n) in zip(tasks, strangers, strict=True)]
        back = engine.recover(DIGEST, PLAN, again)
    for task, (stranger, _), (original, strayed) in zip(tasks, strangers, back, strict=True):
        inside = task.context.generate[0].expand(3, -1, -1)
        assert (stranger - task.pixels[0])[inside].abs().mean() > 0.1
        assert (original - task.pixels[0])[inside].abs().max() < 1e-3
        assert strayed < 1e-3


def test_requests_that_wait_together_share_evaluations_and_get_their_own(
    networks: Networks, pool: ThreadPoolExecutor
) -> None:
    with Engine(networks) as engine:
        alone = [engine.anonymize(DIGEST, PLAN, faces(n, seed=n)) for n in (1, 2, 3)]
        first = _hold(engine, networks, pool)
        waiting = _queue(engine, pool, *(faces(n, seed=n) for n in (1, 2, 3)))
        networks.gate.set()
        first.result(PATIENCE_S)
        together = [future.result(PATIENCE_S) for future in waiting]
    assert networks.sizes[3 * EVALUATIONS :] == [1, *[7] * (EVALUATIONS - 1), 6]
    for one, other in zip(alone, together, strict=True):
        for (x, norms), (y, more) in zip(one, other, strict=True):
            assert torch.allclose(x, y, atol=1e-9)
            assert norms == pytest.approx(more)


def test_the_observer_hears_of_requests_and_of_evaluations(networks: Networks, pool: ThreadPoolExecutor) -> None:
    watch = Watch()
    with Engine(networks, observer=watch) as engine:
        first = _hold(engine, networks, pool)
        waiting = _queue(engine, pool, faces(MAX_BATCH + 1, seed=1), faces(1, seed=2))
        networks.gate.set()
        for future in (first, *waiting):
            future.result(PATIENCE_S)
    assert (len(watch.waits), len(watch.solves)) == (3, 3)
    assert all(seconds > 0 for seconds in watch.waits + watch.solves)
    assert watch.sizes == networks.sizes


def test_what_is_about_a_request_is_told_in_its_callers_context(networks: Networks, pool: ThreadPoolExecutor) -> None:
    watch = Watch()

    def ask(name: str) -> None:
        CALLER.set(name)
        engine.anonymize(DIGEST, PLAN, faces(1))

    with Engine(networks, observer=watch) as engine:
        first = _hold(engine, networks, pool)
        waiting = [pool.submit(copy_context().run, ask, name) for name in ("ada", "bob")]
        until(lambda: engine.waiting == 2)
        networks.gate.set()
        for future in (first, *waiting):
            future.result(PATIENCE_S)
    who = ("nobody", "ada", "bob")
    assert sorted(watch.told) == sorted((what, name) for what in ("queue", "solve") for name in who)


def test_a_failed_evaluation_fails_only_the_request_at_fault(networks: Networks, pool: ThreadPoolExecutor) -> None:
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


def test_who_shares_an_evaluation_with_a_failure_goes_on(networks: Networks, pool: ThreadPoolExecutor) -> None:
    late: list[Future[Any]] = []

    def come(before: int) -> None:
        if before == EVALUATIONS + 3:
            late.extend(_queue(engine, pool, faces(2, seed=2, poisoned=True)))

    with Engine(networks) as engine:
        alone = engine.anonymize(DIGEST, PLAN, faces(3, seed=1))
        networks.during = come
        shared = engine.anonymize(DIGEST, PLAN, faces(3, seed=1))
        with pytest.raises(Broken):
            late[0].result(PATIENCE_S)
    # Of the five each was tried by itself, but for the second of those at fault.
    assert networks.sizes[EVALUATIONS:] == [3, 3, 3, 3, 5, 1, 1, 1, 1, *[3] * (EVALUATIONS - 5)]
    for (x, norms), (y, more) in zip(alone, shared, strict=True):
        assert torch.allclose(x, y, atol=1e-9)
        assert norms == pytest.approx(more)


def test_progress_is_told_of_every_evaluation(networks: Networks) -> None:
    told: list[int] = []
    with Engine(networks) as engine:
        engine.anonymize(DIGEST, PLAN, faces(MAX_BATCH + 1), lambda: told.append(len(networks.seen)))
    assert told == [*range(1, 2 * EVALUATIONS + 1)]


def test_progress_that_raises_fails_its_own_request(networks: Networks, pool: ThreadPoolExecutor) -> None:
    def stop() -> None:
        raise Broken

    with Engine(networks) as engine:
        first = _hold(engine, networks, pool)
        mine = pool.submit(engine.anonymize, DIGEST, PLAN, faces(1, seed=1), stop)
        until(lambda: engine.waiting == 1)
        networks.gate.set()
        with pytest.raises(Broken):
            mine.result(PATIENCE_S)
        assert len(first.result(PATIENCE_S)) == 1
        assert engine.alive
    assert networks.sizes == [1, 2, *[1] * (EVALUATIONS - 2)]


def test_an_observer_that_raises_ends_no_thread(networks: Networks, pool: ThreadPoolExecutor) -> None:
    class Loud(Watch):
        def evaluated(self, seconds: float, count: int) -> None:
            raise Broken

    with Engine(networks, observer=Loud()) as engine:
        for _ in range(2):
            with pytest.raises(Broken):
                pool.submit(engine.anonymize, DIGEST, PLAN, faces(1)).result(PATIENCE_S)
        assert engine.alive


def _fail(engine: Engine, tasks: list[FaceTask]) -> None:
    with pytest.raises((Broken, AttributeError)):
        engine.anonymize(DIGEST, PLAN, tasks)


@pytest.mark.parametrize(
    "bad",
    [faces(1, poisoned=True), faces(3, poisoned=True), [replace(face, pixels=cast(Any, None)) for face in faces(2)]],
    ids=["evaluation", "evaluation of several", "on the way to the device"],
)
def test_an_engine_that_does_nothing_right_is_not_alive_until_it_does(networks: Networks, bad: list[FaceTask]) -> None:
    with Engine(networks) as engine:
        for _ in range(2):
            for _ in range(4):
                _fail(engine, bad)
            assert engine.alive
            engine.anonymize(DIGEST, PLAN, faces(1))
        for _ in range(5):
            _fail(engine, bad)
        until(lambda: not engine.alive)
        engine.anonymize(DIGEST, PLAN, faces(1))
        assert engine.alive


def test_callers_at_fault_do_not_count(networks: Networks) -> None:
    def stop() -> None:
        raise Broken

    with Engine(networks) as engine:
        for _ in range(9):
            with pytest.raises(Broken):
                engine.anonymize(DIGEST, PLAN, faces(2), stop)
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
        first = _hold(engine, networks, pool)
        mine = pool.submit(engine.cancelled_by(gone).anonymize, DIGEST, PLAN, faces(1, seed=5))
        until(lambda: engine.waiting == 1)
        gone.set()
        networks.gate.set()
        with pytest.raises(CallerGone):
            mine.result(PATIENCE_S)
        assert len(first.result(PATIENCE_S)) == 1
    assert networks.sizes == [1] * EVALUATIONS


def test_who_is_cancelled_leaves_at_once_and_the_others_go_on(networks: Networks, pool: ThreadPoolExecutor) -> None:
    gone = threading.Event()
    networks.during = lambda before: gone.set() if before == 5 else None
    with Engine(networks) as engine:
        first = _hold(engine, networks, pool)
        mine = pool.submit(engine.cancelled_by(gone).anonymize, DIGEST, PLAN, faces(20, seed=5))
        until(lambda: engine.waiting == 1)
        networks.gate.set()
        with pytest.raises(CallerGone):
            mine.result(PATIENCE_S)
        assert len(first.result(PATIENCE_S)) == 1
    assert networks.sizes == [1, *[MAX_BATCH] * 5, *[1] * (EVALUATIONS - 6)]


def test_closing_finishes_what_waits(networks: Networks, pool: ThreadPoolExecutor) -> None:
    engine = Engine(networks)
    first = _hold(engine, networks, pool)
    waiting = _queue(engine, pool, faces(1), faces(2))
    closing = pool.submit(engine.close, PATIENCE_S)
    until(lambda: not engine.alive)
    with pytest.raises(EngineClosed):
        engine.anonymize(DIGEST, PLAN, faces(1))
    networks.gate.set()
    closing.result(PATIENCE_S)
    assert [len(future.result(PATIENCE_S)) for future in (first, *waiting)] == [1, 1, 2]


def test_closing_fails_what_the_deadline_does_not_reach(networks: Networks, pool: ThreadPoolExecutor) -> None:
    engine = Engine(networks)
    first = _hold(engine, networks, pool)
    waiting = _queue(engine, pool, faces(1), faces(2))
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
