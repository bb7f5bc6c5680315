"""The door: blocking calls for any thread."""

import copy
import threading
import weakref
from collections.abc import Sequence
from concurrent.futures import wait
from typing import Any, Protocol, Self, cast

import torch
from torch import Tensor

from service.core.context import Denoiser
from service.core.scheme import Plan
from service.core.solver import Progress
from service.core.transform import Norms
from service.engine.device import Device
from service.engine.observer import NOBODY, Observer
from service.engine.request import Request
from service.engine.task import FaceTask, Solve, to_original, to_stranger

_EXIT_PATIENCE_S = 5.0
_LOOK_S = 1.0
"""How often a caller sees whether it still waits: a device that hangs does not."""


class Networks(Protocol):
    """Where the engine takes its networks from."""

    @property
    def device(self) -> torch.device:
        """Where the networks live."""
        ...

    def denoiser(self, digest: bytes) -> Denoiser:
        """The network of the bundle with this digest; raises BundleUnknown."""
        ...


class Engine:
    """Carries faces on the device; may be called from any thread, and blocks it.

    The thread starts with the first request. It is a daemon, so that a command line may end at any time;
    what runs then is given a few seconds at exit, because a thread cut off inside the device can crash.
    """

    def __init__(self, networks: Networks, queue_limit: int = 64, observer: Observer = NOBODY) -> None:
        self._networks = networks
        self._observer = observer
        self._cancel: threading.Event | None = None
        self._owner: Engine | None = None
        self._device = Device(networks.device, queue_limit, observer)
        weakref.finalize(self, self._device.close, _EXIT_PATIENCE_S, 0.0)

    def anonymize(
        self, digest: bytes, plan: Plan, tasks: Sequence[FaceTask], progress: Progress | None = None
    ) -> list[tuple[Tensor, Norms]]:
        """Strangers, (3, R, R) float64 each, and the norms that recovery needs, in order.

        Raises:
            BundleUnknown: no network with this digest.
            EngineBusy, EngineClosed: not taken on, or given up at shutdown.
            CallerGone: cancelled by the caller.
        """
        return cast(list[tuple[Tensor, Norms]], self._run(to_stranger, digest, plan, tasks, progress))

    def recover(
        self, digest: bytes, plan: Plan, tasks: Sequence[FaceTask], progress: Progress | None = None
    ) -> list[tuple[Tensor, float]]:
        """The original faces, (3, R, R) float64 each, and how far each latent had strayed, in order.

        Raises:
            BundleUnknown, EngineBusy, EngineClosed, CallerGone: as for ``anonymize``.
        """
        return cast(list[tuple[Tensor, float]], self._run(to_original, digest, plan, tasks, progress))

    def cancelled_by(self, event: threading.Event) -> Self:
        """The same engine for one caller: once ``event`` is set, what it asked for is dropped."""
        handle = copy.copy(self)
        handle._cancel = event
        # The device closes with the engine it was made by, which therefore has to live as long.
        handle._owner = self
        return handle

    def require(self, digest: bytes) -> None:
        """Load the network of the bundle with this digest.

        Raises:
            BundleUnknown: no network with this digest.
            BundleInvalid: its files cannot be loaded.
        """
        self._networks.denoiser(digest)

    @property
    def waiting(self) -> int:
        """Requests in the queue."""
        return self._device.waiting

    @property
    def alive(self) -> bool:
        """Whether requests are taken on, and the last evaluations did not all fail."""
        return self._device.alive

    def close(self, deadline_s: float = _EXIT_PATIENCE_S) -> None:
        """Take on nothing more, finish what waits for up to ``deadline_s``, and fail the rest."""
        self._device.close(deadline_s)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _run(
        self, solve: Solve, digest: bytes, plan: Plan, tasks: Sequence[FaceTask], progress: Progress | None
    ) -> list[Any]:
        if not tasks:
            return []
        # Loading a network takes seconds: the caller's thread does it, not the device's.
        denoiser = self._networks.denoiser(digest)
        cancel = self._cancel or threading.Event()
        request = Request(solve, digest, denoiser, plan, tasks, progress, cancel, self._observer)
        self._device.submit(request)
        try:
            while not wait([request.result], _LOOK_S).done:
                if cancel.is_set():
                    self._device.drop(request)
        except KeyboardInterrupt:
            request.cancel.set()
            raise
        return request.result.result()
