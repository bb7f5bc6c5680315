"""The faces of one caller: they get onto the device one by one, and come out together."""

import contextvars
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from dataclasses import InitVar, dataclass, field
from typing import Any

import torch
from torch import Tensor

from service.core.context import Context, Denoiser
from service.core.scheme import Plan
from service.core.solver import Progress, Walk
from service.engine.observer import Observer
from service.engine.task import FaceTask, Solve


@dataclass(eq=False)
class Request:
    """What one caller waits for. Only the device's thread works on it; any may ``fail`` it.

    Attributes:
        solve, plan: what is done with every face.
        digest, denoiser: the network, and what it is known by.
        progress: called after every evaluation that one of the faces had a part in.
        cancel: set when nobody waits any more.
        waiting: faces without a seat in a batch, in order; some had one before, and go on where they stopped.
        seats: how many faces have one.
        result: of every face, in order.
    """

    solve: Solve
    digest: bytes
    denoiser: Denoiser
    plan: Plan
    tasks: InitVar[Sequence[FaceTask]]
    progress: Progress | None
    cancel: threading.Event
    observer: Observer
    waiting: "deque[Face]" = field(init=False)
    seats: int = field(default=0, init=False)
    result: "Future[list[Any]]" = field(default_factory=Future, init=False)
    _ends: list[Any] = field(init=False)
    _missing: int = field(init=False)
    _caller: contextvars.Context = field(default_factory=contextvars.copy_context, init=False)
    _since: float = field(default_factory=time.perf_counter, init=False)
    _begun: bool = field(default=False, init=False)

    def __post_init__(self, tasks: Sequence[FaceTask]) -> None:
        self.waiting = deque(Face(self, index, task) for index, task in enumerate(tasks))
        self._ends = [None] * len(tasks)
        self._missing = len(tasks)

    @property
    def over(self) -> bool:
        """Whether there is nothing more to do for it."""
        return self.result.done()

    def begin(self) -> None:
        """Be on the device with one face or more; told again and again."""
        if not self._begun:
            self._begun = True
            self._caller.run(self.observer.spent, "queue", self._lap())

    def evaluated(self) -> None:
        """Tell the caller of an evaluation; if the caller raises, the request is over."""
        try:
            if self.progress:
                self.progress()
        except BaseException as error:  # noqa: BLE001  # the thread outlives whatever a caller does
            self.fail(error)

    def arrive(self, index: int, end: Any) -> None:
        """Take what one face became; with the last one the request is over."""
        self._ends[index] = end
        self._missing -= 1
        if not self._missing:
            self._caller.run(self.observer.spent, "solve", self._lap())
            with suppress(InvalidStateError):  # given up on at shutdown
                self.result.set_result(self._ends)

    def fail(self, error: BaseException) -> None:
        """Be over with an error, unless it is over already."""
        self.waiting.clear()
        with suppress(InvalidStateError):
            self.result.set_exception(error)

    def _lap(self) -> float:
        before, self._since = self._since, time.perf_counter()
        return self._since - before


class Face:
    """One face on its way. Between two evaluations it may be put aside.

    Attributes:
        request: that it belongs to.
        x, t: where it wants the network evaluated, (1, 3, R, R) and (1,); once it has begun.
    """

    x: Tensor
    t: Tensor

    def __init__(self, request: Request, index: int, task: FaceTask) -> None:
        self.request = request
        self._index = index
        self._task = task
        self._walk: Walk[Any] | None = None
        self._arrived = False

    @property
    def context(self) -> Context:
        """Its conditioning; on the device once it has begun."""
        return self._task.context

    @property
    def leaves(self) -> bool:
        """Whether it has arrived, or nobody waits for it."""
        return self._arrived or self.request.over

    def begin(self, device: torch.device) -> bool:
        """Get onto the device, unless it is there; False if that fails, and the request with it."""
        return self._walk is not None or self._go(lambda: self._begin(device))

    def go_on(self, v: Tensor) -> bool:
        """Take what the network said of ``x`` and ``t``; False if that fails, and the request with it."""
        walk = self._walk
        return walk is None or self._go(lambda: walk.send(v))

    def _begin(self, device: torch.device) -> tuple[Tensor, Tensor]:
        self.request.begin()
        self._task = self._task.to(device)
        self._walk = self.request.solve(self._task, self.request.plan)
        return next(self._walk)

    def _go(self, step: Callable[[], tuple[Tensor, Tensor]]) -> bool:
        try:
            self.x, self.t = step()
        except StopIteration as end:
            self._arrived = True
            self.request.arrive(self._index, end.value)
        except BaseException as error:  # noqa: BLE001  # what goes wrong with a face is its request's affair
            self.request.fail(error)
            return False
        return True
