"""An evaluation fails, or what a caller gave: who is at fault is told so, and the others get their answers."""

from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import pytest
import torch

from service.engine import Engine, FaceTask
from service.engine.device import _RESTS_S
from tests.engine.conftest import hold, queue
from tests.engine.devices import DIGEST, EVALUATIONS, PATIENCE_S, PLAN, Broken, Networks, faces
from tests.waiting import until


def test_a_failed_evaluation_fails_only_the_request_at_fault(networks: Networks, pool: ThreadPoolExecutor) -> None:
    with Engine(networks) as engine:
        first = hold(engine, networks, pool)
        good, bad, fine = queue(engine, pool, faces(1), faces(1, poisoned=True), faces(2, seed=1))
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
            late.extend(queue(engine, pool, faces(2, seed=2, poisoned=True)))

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


def test_progress_that_raises_fails_its_own_request(networks: Networks, pool: ThreadPoolExecutor) -> None:
    def stop() -> None:
        raise Broken

    with Engine(networks) as engine:
        first = hold(engine, networks, pool)
        mine = pool.submit(engine.anonymize, DIGEST, PLAN, faces(1, seed=1), stop)
        until(lambda: engine.waiting == 1)
        networks.gate.set()
        with pytest.raises(Broken):
            mine.result(PATIENCE_S)
        assert len(first.result(PATIENCE_S)) == 1
        assert engine.alive
    assert networks.sizes == [1, 2, *[1] * (EVALUATIONS - 2)]


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


def test_a_device_that_has_rested_is_to_be_tried_again_and_fails_once(
    networks: Networks, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [1000.0]
    monkeypatch.setattr("service.engine.device.time", SimpleNamespace(monotonic=lambda: now[0]))
    bad = faces(1, poisoned=True)
    with Engine(networks) as engine:
        for _ in range(5):
            _fail(engine, bad)
        until(lambda: not engine.alive)
        now[0] += _RESTS_S + 1
        assert engine.alive
        _fail(engine, bad)
        until(lambda: not engine.alive)


def test_callers_at_fault_do_not_count(networks: Networks) -> None:
    def stop() -> None:
        raise Broken

    with Engine(networks) as engine:
        for _ in range(9):
            with pytest.raises(Broken):
                engine.anonymize(DIGEST, PLAN, faces(2), stop)
        assert engine.alive
