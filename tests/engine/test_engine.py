"""The device thread: whatever happens to an evaluation, every caller gets an answer, and its own."""

import threading
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar, copy_context
from dataclasses import replace

import pytest
import torch

from service.engine import MAX_BATCH, Engine
from service.errors import CallerGone, EngineBusy
from tests.engine.conftest import hold, queue
from tests.engine.devices import DIGEST, EVALUATIONS, PATIENCE_S, PLAN, Broken, Networks, faces
from tests.waiting import until

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
        first = hold(engine, networks, pool)
        waiting = queue(engine, pool, *(faces(n, seed=n) for n in (1, 2, 3)))
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
        first = hold(engine, networks, pool)
        waiting = queue(engine, pool, faces(MAX_BATCH + 1, seed=1), faces(1, seed=2))
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
        first = hold(engine, networks, pool)
        waiting = [pool.submit(copy_context().run, ask, name) for name in ("ada", "bob")]
        until(lambda: engine.waiting == 2)
        networks.gate.set()
        for future in (first, *waiting):
            future.result(PATIENCE_S)
    who = ("nobody", "ada", "bob")
    assert sorted(watch.told) == sorted((what, name) for what in ("queue", "solve") for name in who)


def test_progress_is_told_of_every_evaluation(networks: Networks) -> None:
    told: list[int] = []
    with Engine(networks) as engine:
        engine.anonymize(DIGEST, PLAN, faces(MAX_BATCH + 1), lambda: told.append(len(networks.seen)))
    assert told == [*range(1, 2 * EVALUATIONS + 1)]


def test_an_observer_that_raises_ends_no_thread(networks: Networks, pool: ThreadPoolExecutor) -> None:
    class Loud(Watch):
        def evaluated(self, seconds: float, count: int) -> None:
            raise Broken

    with Engine(networks, observer=Loud()) as engine:
        for _ in range(2):
            with pytest.raises(Broken):
                pool.submit(engine.anonymize, DIGEST, PLAN, faces(1)).result(PATIENCE_S)
        assert engine.alive


def test_a_full_queue_refuses(networks: Networks, pool: ThreadPoolExecutor) -> None:
    with Engine(networks, queue_limit=2) as engine:
        first = hold(engine, networks, pool)
        waiting = queue(engine, pool, faces(1), faces(1))
        with pytest.raises(EngineBusy):
            engine.anonymize(DIGEST, PLAN, faces(1))
        networks.gate.set()
        assert all(len(future.result(PATIENCE_S)) == 1 for future in (first, *waiting))


def test_cancelled_work_never_reaches_the_device(networks: Networks, pool: ThreadPoolExecutor) -> None:
    gone = threading.Event()
    with Engine(networks) as engine:
        first = hold(engine, networks, pool)
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
        first = hold(engine, networks, pool)
        mine = pool.submit(engine.cancelled_by(gone).anonymize, DIGEST, PLAN, faces(20, seed=5))
        until(lambda: engine.waiting == 1)
        networks.gate.set()
        with pytest.raises(CallerGone):
            mine.result(PATIENCE_S)
        assert len(first.result(PATIENCE_S)) == 1
    assert networks.sizes == [1, *[MAX_BATCH] * 5, *[1] * (EVALUATIONS - 6)]
