"""What an engine is to those who ask it: in this process, or on a cluster."""

import threading
from collections.abc import Sequence
from typing import Protocol, Self

from torch import Tensor

from service.core.scheme import Plan
from service.core.solver import Progress
from service.core.transform import Norms
from service.engine.task import FaceTask


class EngineRoom(Protocol):
    """Carries faces to strangers and back; may be called from any thread, and blocks it."""

    def anonymize(
        self, digest: bytes, plan: Plan, tasks: Sequence[FaceTask], progress: Progress | None = None
    ) -> list[tuple[Tensor, Norms]]:
        """Strangers, (3, R, R) float64 each, and the norms that recovery needs, in order.

        Args:
            digest: of the weights bundle.
            plan: both directions share it.
            tasks: one per face.
            progress: called at every evaluation of the network, by a room that sees them; may raise.

        Raises:
            BundleUnknown: no network with this digest.
            EngineBusy, EngineClosed: not taken on, or given up at shutdown.
            EngineUnavailable: the machines that would do it do not answer.
            CallerGone: cancelled by the caller.
        """
        ...

    def recover(
        self, digest: bytes, plan: Plan, tasks: Sequence[FaceTask], progress: Progress | None = None
    ) -> list[tuple[Tensor, float]]:
        """The original faces, (3, R, R) float64 each, and how far each latent had strayed, in order.

        Arguments and errors as for ``anonymize``.
        """
        ...

    def cancelled_by(self, event: threading.Event) -> Self:
        """The same engine for one caller: once ``event`` is set, what it asked for is dropped."""
        ...

    def require(self, digest: bytes) -> None:
        """Let pass an engine that can draw with this weights bundle.

        Raises:
            BundleUnknown, BundleInvalid: it cannot.
            EngineUnavailable: the machines that would do it do not answer.
        """
        ...

    @property
    def waiting(self) -> int:
        """Requests in the queue, or on their way to another machine; never more than its limit."""
        ...

    @property
    def alive(self) -> bool:
        """Whether requests are taken on, with a prospect of being answered."""
        ...

    def close(self, deadline_s: float = ...) -> None:
        """Take on nothing more, finish what waits for up to ``deadline_s``, and fail the rest."""
        ...
