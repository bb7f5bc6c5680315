"""Whoever comes, whenever, and whatever goes wrong: every caller gets an answer, and the one it would get alone."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from itertools import groupby
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from service.core import scheme
from service.core.scheme import Plan
from service.engine import MAX_BATCH, Engine, FaceTask
from service.errors import CallerGone
from tests.closed_form import AnalyticDenoiser
from tests.engine.devices import DIGEST, OTHER, PATIENCE_S, PLAN, Broken, Networks, faces

PLANS = [PLAN, replace(PLAN, steps=2, evaluations=3, grid="late", t0=0.04), replace(PLAN, scheme="signflip")]


@dataclass
class Caller:
    """Who asks for something during one evaluation, and leaves during another."""

    number: int
    comes: int
    count: int
    plan: Plan
    digest: bytes
    recovers: bool
    poisoned: bool
    fussy: bool
    leaves: int | None
    here: threading.Event = field(default_factory=threading.Event)
    gone: threading.Event = field(default_factory=threading.Event)

    @property
    def tasks(self) -> list[FaceTask]:
        return [replace(t, norms=(1.0, 2.0, 3.0, 4.0)) for t in faces(self.count, self.number, self.poisoned)]

    def ask(self, engine: Engine) -> list[Any]:
        assert self.here.wait(PATIENCE_S)
        handle = engine.cancelled_by(self.gone)
        verb = handle.recover if self.recovers else handle.anonymize
        return verb(self.digest, self.plan, self.tasks, self._complain if self.fussy else None)

    def alone(self) -> Iterator[tuple[Tensor, Any]]:
        """What each of its faces becomes, with nobody else around."""
        for task in self.tasks:
            shown = AnalyticDenoiser(), task.pixels, task.context, [task.key]
            if self.recovers:
                x, strayed = scheme.recover(*shown, [task.norms], self.plan)
                yield x[0], strayed[0]
            else:
                x, norms = scheme.anonymize(*shown, self.plan)
                yield x[0], norms[0]

    def _complain(self) -> None:
        raise Broken


def often(draw: st.DrawFn, one_in: int) -> bool:
    return draw(st.integers(1, one_in)) == one_in


@st.composite
def callers(draw: st.DrawFn, calm: bool = False) -> list[Caller]:
    comes = draw(st.lists(st.integers(0, 40), min_size=1, max_size=12))
    return [
        Caller(
            number=number,
            comes=when,
            count=draw(st.sampled_from([1, 1, 2, 3, MAX_BATCH, MAX_BATCH + 3])),
            plan=draw(st.sampled_from(PLANS)),
            digest=draw(st.sampled_from([DIGEST, DIGEST, OTHER])),
            recovers=draw(st.booleans()),
            poisoned=not calm and often(draw, 6),
            fussy=not calm and often(draw, 8),
            leaves=when + draw(st.integers(0, 30)) if not calm and often(draw, 4) else None,
        )
        for number, when in enumerate(sorted(comes), 1)
    ]


class Played:
    """What came of it.

    Attributes:
        asked: by number of the caller; all are done.
    """

    def __init__(self, everybody: list[Caller]) -> None:
        self.networks = Networks()
        self.networks.during = self._during
        self._everybody = everybody
        with ThreadPoolExecutor(len(everybody)) as pool, Engine(self.networks) as engine:
            self.asked = {caller.number: pool.submit(caller.ask, engine) for caller in everybody}
            for caller in everybody:
                # Who comes while the device has nothing to do has no evaluation to come in.
                caller.here.set()
                self.asked[caller.number].exception(PATIENCE_S)
            assert (engine.waiting, engine.alive) == (0, True)

    def _during(self, before: int) -> None:
        for caller in self._everybody:
            if caller.comes <= before:
                caller.here.set()
            if caller.leaves is not None and caller.leaves <= before:
                caller.gone.set()


def check_evaluations(networks: Networks) -> None:
    for _, numbers in networks.seen:
        assert 1 <= len(numbers) <= MAX_BATCH
        assert len({*numbers}) == len(numbers)


def check_results(caller: Caller, results: list[Any]) -> None:
    for (shown, kept), (x, also) in zip(results, caller.alone(), strict=True):
        assert torch.allclose(shown, x, rtol=0, atol=1e-9 * (1 + float(x.abs().max())))
        assert kept == pytest.approx(also)


@given(callers())
def test_everybody_gets_the_answer_that_is_due(everybody: list[Caller]) -> None:
    played = Played(everybody)
    check_evaluations(played.networks)
    for caller in everybody:
        end = played.asked[caller.number].exception()
        if end is None:
            assert not (caller.poisoned or caller.fussy)
            check_results(caller, played.asked[caller.number].result())
        elif isinstance(end, CallerGone):
            assert caller.gone.is_set()
        else:
            assert isinstance(end, Broken) and (caller.poisoned or caller.fussy)


@given(callers(calm=True))
def test_no_evaluation_is_wasted_and_faces_go_in_order(everybody: list[Caller]) -> None:
    played = Played(everybody)
    check_evaluations(played.networks)
    taken = sorted(number for numbers in played.networks.faces for number in numbers)
    spent = {number: len([*same]) for number, same in groupby(taken)}
    begun = list(dict.fromkeys(number for numbers in played.networks.faces for number in numbers))
    for caller in everybody:
        mine = range(100 * caller.number, 100 * caller.number + caller.count)
        assert {spent[face] for face in mine} == {2 * (caller.plan.steps * caller.plan.evaluations + 1)}
        assert [face for face in begun if face in mine] == [*mine]
        check_results(caller, played.asked[caller.number].result())
