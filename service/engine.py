"""The device: faces in, faces out, in batches, one batch at a time."""

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

import torch
from torch import Tensor

from service.core.context import Context, Denoiser
from service.core.scheme import Plan, anonymize, recover
from service.core.solver import Progress
from service.core.transform import Norms

_T = TypeVar("_T")

MAX_BATCH = 8
"""Faces per batch; results depend on it within float tolerance only."""


@dataclass(frozen=True, slots=True)
class FaceTask:
    """One face to be carried to a stranger or back.

    Attributes:
        pixels: (1, 3, R, R) float64 in [-1, 1].
        context: of one face.
        key: 32-byte latent key.
        norms: what ``recover`` needs; ignored by ``anonymize``.
    """

    pixels: Tensor
    context: Context
    key: bytes
    norms: Norms = (0.0, 0.0, 0.0, 0.0)

    def __repr__(self) -> str:
        return "FaceTask(***)"


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
    """Runs batches on the device; callers of several threads take turns."""

    def __init__(self, networks: Networks) -> None:
        self._networks = networks
        self._turn = threading.Lock()

    def anonymize(
        self, digest: bytes, plan: Plan, tasks: Sequence[FaceTask], progress: Progress | None = None
    ) -> list[tuple[Tensor, Norms]]:
        """Strangers, (3, R, R) float64 each, and the norms that recovery needs, in order.

        Raises:
            BundleUnknown: no network with this digest.
        """

        def run(denoiser: Denoiser, batch: _Batch) -> list[tuple[Tensor, Norms]]:
            x, norms = anonymize(denoiser, batch.pixels, batch.context, batch.keys, plan, progress)
            return list(zip(x.cpu(), norms, strict=True))

        return self._run(digest, tasks, run)

    def recover(
        self, digest: bytes, plan: Plan, tasks: Sequence[FaceTask], progress: Progress | None = None
    ) -> list[Tensor]:
        """The original faces, (3, R, R) float64 each, in order.

        Raises:
            BundleUnknown: no network with this digest.
        """

        def run(denoiser: Denoiser, batch: _Batch) -> list[Tensor]:
            return list(recover(denoiser, batch.pixels, batch.context, batch.keys, batch.norms, plan, progress).cpu())

        return self._run(digest, tasks, run)

    def _run(self, digest: bytes, tasks: Sequence[FaceTask], run: Callable[[Denoiser, "_Batch"], list[_T]]) -> list[_T]:
        denoiser = self._networks.denoiser(digest)
        results: list[_T] = []
        for batch in _batches(tasks, self._networks.device):
            with self._turn:
                results += run(denoiser, batch)
        return results


@dataclass(frozen=True, slots=True)
class _Batch:
    pixels: Tensor
    context: Context
    keys: list[bytes]
    norms: list[Norms]


def _batches(tasks: Sequence[FaceTask], device: torch.device) -> Iterator[_Batch]:
    for start in range(0, len(tasks), MAX_BATCH):
        part = tasks[start : start + MAX_BATCH]
        yield _Batch(
            torch.cat([task.pixels for task in part]).to(device),
            Context.stack([task.context for task in part]).to(device),
            [task.key for task in part],
            [task.norms for task in part],
        )
