"""The faces that share the evaluations of one network."""

import time
from collections import deque
from collections.abc import Sequence

import torch
from torch import Tensor

from service.core.context import Context, Denoiser
from service.engine.observer import Observer
from service.engine.request import Face, Request

MAX_BATCH = 8
"""Faces in one evaluation; a result depends on the others within float tolerance only."""


class Batch:
    """Seats for ``MAX_BATCH`` faces, each at a time of its own; they come and go between evaluations.

    Attributes:
        faces: that have a seat.
    """

    def __init__(self, digest: bytes, denoiser: Denoiser, device: torch.device, observer: Observer) -> None:
        self.faces: list[Face] = []
        self._digest = digest
        self._denoiser = denoiser
        self._device = device
        self._observer = observer
        self._stacked: tuple[list[Face], Context] | None = None

    def clear(self) -> None:
        """Let those leave who have arrived, or whom nobody waits for."""
        for face in [face for face in self.faces if face.leaves]:
            self._vacate(face)

    def fill(self, queue: deque[Request]) -> None:
        """Seat faces of the requests in ``queue`` that want this network; who has seated all leaves the queue.

        A free seat goes to the request with the fewest seats; on a tie, to the one served longest ago. With no free
        seat, a request that has at least two more gives one up, whose face resumes later: a photo of many faces keeps
        nobody waiting.
        """
        while wanting := [request for request in queue if request.digest == self._digest]:
            request = min(wanting, key=lambda one: one.seats)
            if len(self.faces) == MAX_BATCH and not self._take_back(request.seats, queue):
                return
            self.faces.append(request.waiting.popleft())
            request.seats += 1
            queue.remove(request)
            if request.waiting:
                queue.append(request)

    def evaluate(self) -> bool:
        """Evaluate the network once, and let every face go on to where it needs it next.

        Returns:
            False if the device did nothing right: not for one of them.
        """
        begun = [face.begin(self._device) for face in self.faces]
        present = [face for face in self.faces if not face.leaves]
        return self._carry(present) if present else any(begun)

    def fail(self, error: BaseException) -> None:
        """Give up everybody who has a seat."""
        for face in self.faces:
            face.request.fail(error)

    def _carry(self, faces: Sequence[Face]) -> bool:
        """If that fails, each face is tried by itself, and who is at fault fails alone."""
        began = time.perf_counter()
        try:
            v = self._predicted(faces)
        except BaseException as error:  # noqa: BLE001  # the thread outlives whatever a network does
            if len(faces) == 1:
                faces[0].request.fail(error)
                return False
        else:
            worked = self._go_on(faces, v)
            self._observer.evaluated(time.perf_counter() - began, len(faces))
            return worked
        carried = [self._carry([face]) for face in faces if not face.leaves]
        return any(carried)

    def _go_on(self, faces: Sequence[Face], v: Tensor) -> bool:
        for request in dict.fromkeys(face.request for face in faces):
            request.evaluated()
        worked = [face.leaves or face.go_on(part) for face, part in zip(faces, v[:, None].unbind(), strict=True)]
        return any(worked)

    def _predicted(self, faces: Sequence[Face]) -> Tensor:
        if self._stacked is None or self._stacked[0] != faces:
            self._stacked = [*faces], Context.stack([face.context for face in faces])
        x, t = torch.cat([face.x for face in faces]), torch.cat([face.t for face in faces])
        return self._denoiser(x, t, self._stacked[1])

    def _take_back(self, fewest: int, queue: deque[Request]) -> bool:
        richest = max((face.request for face in self.faces), key=lambda request: request.seats)
        if richest.seats < fewest + 2:
            return False
        last = next(face for face in reversed(self.faces) if face.request is richest)
        self._vacate(last)
        if not richest.waiting:
            queue.append(richest)
        richest.waiting.appendleft(last)
        return True

    def _vacate(self, face: Face) -> None:
        self.faces.remove(face)
        face.request.seats -= 1
        # Kept, it would hold on to what the face was.
        self._stacked = None
