"""One image of a batch: what is asked, what comes of it, and who does it."""

import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Protocol, Self

from service.batch.patience import patiently
from service.batch.storage import Folder
from service.errors import BundleInvalid, BundleUnknown, EngineUnavailable, Unavailable, VisardError, code_of
from service.operations.anonymize import AnonymizeRequest, Drawn, draw
from service.operations.keeping import NewImage
from service.operations.parts import Studio

DEADLINE_S = 3600.0
"""For one image, its time in a queue not counted: many faces take minutes on a processor."""


@dataclass(frozen=True, slots=True)
class Job:
    """One image, with keys of its own; they serve one try only.

    Attributes:
        source: name of the image.
        new: its keys.
    """

    source: str
    new: NewImage


@dataclass(frozen=True, slots=True)
class Failed:
    """The image cannot be anonymized, and would not be another time.

    Attributes:
        error: stable type.
        message: safe to show.
    """

    error: str
    message: str

    @classmethod
    def of(cls, error: VisardError) -> Self:
        """What an error says."""
        return cls(code_of(type(error)), str(error))


@dataclass(frozen=True, slots=True)
class Lost:
    """Nobody knows what became of a job: another try, with other keys, may end well.

    Attributes:
        reason: what another part did not do; None if whoever worked on it died.
        broken: whether who worked on it will do no better with others.
    """

    reason: str | None = None
    broken: bool = False


@dataclass(frozen=True, slots=True)
class Faulted:
    """Nobody foresaw what went wrong: it may lie in the image, or in what works on all of them.

    Attributes:
        reason: its kind, safe to show.
    """

    reason: str


Outcome = Drawn | Failed | Lost | Faulted


class Crew(Protocol):
    """Who works on jobs."""

    def work(self, jobs: Iterator[Job], at_once: int | None = None) -> Iterator[tuple[Job, Outcome]]:
        """Take jobs as fast as they get done, and give each back once; in any order.

        Args:
            jobs: asked for the next one on the caller's thread.
            at_once: jobs taken on at a time; as many as there are hands if None.
        """
        ...


def carry_out(job: Job, source: Folder, request: AnonymizeRequest, studio: Studio) -> Outcome:
    """Read and draw one image. Whatever happens, it is said, not raised."""
    try:
        data = patiently(lambda: source.read(job.source, studio.limits.max_bytes))
        return draw(data, request, studio, begin=lambda: job.new, known=lambda _: False)
    except Unavailable as error:
        return Lost(str(error))
    except (BundleInvalid, BundleUnknown) as error:
        # A device without memory for a network says so too: that is no photo's fault.
        return Lost(str(error), broken=True)
    except VisardError as error:
        return Failed.of(error)
    except Exception as error:  # noqa: BLE001
        # The text of a foreign exception may hold anything: its kind must do.
        reason = f"internal error ({type(error).__name__})"
        return Faulted(reason) if studio.engine.alive else Lost(f"the device fails: {reason}", broken=True)


class Supply:
    """Jobs, until asking for one fails: what is under way then is finished before that is said."""

    def __init__(self, jobs: Iterator[Job]) -> None:
        self._jobs = jobs
        self._error: VisardError | None = None

    def take(self, count: int) -> list[Job]:
        """The next ones, up to ``count``."""
        taken: list[Job] = []
        try:
            taken.extend(islice(self._jobs, max(0, count)))
        except VisardError as error:
            self._error = error
        return taken

    def end(self) -> None:
        """Raise what kept it from giving more."""
        if self._error is not None:
            raise self._error


class Threads:
    """A crew of this process."""

    def __init__(
        self, threads: int, source: Folder, request: AnonymizeRequest, studio: Studio, deadline_s: float = DEADLINE_S
    ) -> None:
        """Nothing starts yet.

        Args:
            threads: images at a time.
            deadline_s: for one image, from when a thread takes it.
        """
        self._threads = threads
        self._source = source
        self._request = request
        self._studio = studio
        self._deadline_s = deadline_s

    def work(self, jobs: Iterator[Job], at_once: int | None = None) -> Iterator[tuple[Job, Outcome]]:
        """See ``Crew``.

        Raises:
            EngineUnavailable: an image takes longer than it may.
        """
        supply = Supply(jobs)
        # One more than there are threads: none waits while a result is committed.
        window = at_once or self._threads + 1
        given: SimpleQueue[Job | None] = SimpleQueue()
        told: SimpleQueue[tuple[Job, float | Outcome]] = SimpleQueue()
        hands = [Thread(target=self._work, args=(given, told), daemon=True) for _ in range(self._threads)]
        under_way = 0
        since: dict[str, float] = {}
        try:
            for hand in hands:
                hand.start()
            while True:
                for job in supply.take(window - under_way):
                    under_way += 1
                    given.put(job)
                if not under_way:
                    supply.end()
                    return
                try:
                    job, news = told.get(timeout=self._left_s(since))
                except Empty:
                    # Nothing ends a thread: it is left behind.
                    hands.clear()
                    raise EngineUnavailable(f"{next(iter(since))} is not done after {self._deadline_s:g} s") from None
                if isinstance(news, float):
                    since[job.source] = news
                    continue
                under_way -= 1
                del since[job.source]
                yield job, news
        finally:
            with suppress(Empty):
                while True:
                    given.get_nowait()
            for _ in range(self._threads):
                given.put(None)
            for hand in hands:
                hand.join()

    def _left_s(self, since: dict[str, float]) -> float | None:
        """How long the image that was begun first may still take; None if there is none: soon one will be."""
        began = next(iter(since.values()), None)
        return None if began is None else max(0.0, began + self._deadline_s - time.monotonic())

    def _work(self, given: "SimpleQueue[Job | None]", told: "SimpleQueue[tuple[Job, float | Outcome]]") -> None:
        while (job := given.get()) is not None:
            # An image's time does not run while it waits for a thread.
            told.put((job, time.monotonic()))
            told.put((job, carry_out(job, self._source, self._request, self._studio)))
