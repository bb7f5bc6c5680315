"""A device that hangs: it is seen, and keeps neither those who leave nor their places."""

import threading
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest

from service.engine import Engine
from service.errors import CallerGone, EngineBusy
from tests.engine.devices import DIGEST, PATIENCE_S, PLAN, Networks, faces
from tests.waiting import until


@pytest.fixture
def hung(networks: Networks) -> Networks:
    """Networks of which the first evaluation does not end before the gate is opened."""
    networks.gate.clear()
    return networks


def _hang(engine: Engine, networks: Networks, pool: ThreadPoolExecutor) -> "tuple[Future[Any], threading.Event]":
    gone = threading.Event()
    first = pool.submit(engine.cancelled_by(gone).anonymize, DIGEST, PLAN, faces(1))
    assert networks.begun.wait(PATIENCE_S)
    return first, gone


def test_a_device_that_hangs_is_not_alive_until_it_goes_on(
    hung: Networks, pool: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Engine(hung) as engine:
        first, _ = _hang(engine, hung, pool)
        assert engine.alive
        with monkeypatch.context() as patch:
            patch.setattr("service.engine.device._HANGS_S", 0.05)
            until(lambda: not engine.alive)
            hung.gate.set()
            assert len(first.result(PATIENCE_S)) == 1
            until(lambda: engine.alive)


def test_who_leaves_a_device_that_hangs_is_let_go(hung: Networks, pool: ThreadPoolExecutor) -> None:
    with Engine(hung) as engine:
        first, gone = _hang(engine, hung, pool)
        gone.set()
        with pytest.raises(CallerGone):
            first.result(PATIENCE_S)
        assert not hung.gate.is_set()
        hung.gate.set()
        assert len(engine.anonymize(DIGEST, PLAN, faces(1))) == 1


def test_who_leaves_the_queue_before_it_takes_no_place_there(hung: Networks, pool: ThreadPoolExecutor) -> None:
    with Engine(hung, queue_limit=1) as engine:
        first, _ = _hang(engine, hung, pool)
        gone = threading.Event()
        second = pool.submit(engine.cancelled_by(gone).anonymize, DIGEST, PLAN, faces(1, seed=1))
        until(lambda: engine.waiting == 1)
        with pytest.raises(EngineBusy):
            engine.anonymize(DIGEST, PLAN, faces(1))
        gone.set()
        with pytest.raises(CallerGone):
            second.result(PATIENCE_S)
        assert engine.waiting == 0
        hung.gate.set()
        assert len(first.result(PATIENCE_S)) == 1
    assert {number for numbers in hung.faces for number in numbers} == {0}


def test_who_leaves_a_device_whose_thread_died_is_let_go(pool: ThreadPoolExecutor) -> None:
    with Engine(Networks()) as engine:
        # As if it had died: nobody will ever look at the queue.
        engine._device._thread = threading.Thread()
        gone = threading.Event()
        left = pool.submit(engine.cancelled_by(gone).anonymize, DIGEST, PLAN, faces(1))
        until(lambda: engine.waiting == 1)
        assert not engine.alive
        gone.set()
        with pytest.raises(CallerGone):
            left.result(PATIENCE_S)
        engine._device._thread = None
