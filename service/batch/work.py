"""One image of a batch: what is asked, what comes of it, and who does it."""

from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from itertools import islice
from typing import Protocol, Self

from service.batch.patience import patiently
from service.batch.storage import Folder
from service.errors import BundleInvalid, BundleUnknown, Unavailable, VisardError, code_of
from service.operations.anonymize import AnonymizeRequest, Drawn, draw
from service.operations.keeping import NewImage
from service.operations.parts import Studio


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


class Threads:
    """A crew of this process."""

    def __init__(self, threads: int, source: Folder, request: AnonymizeRequest, studio: Studio) -> None:
        self._threads = threads
        self._source = source
        self._request = request
        self._studio = studio

    def work(self, jobs: Iterator[Job], at_once: int | None = None) -> Iterator[tuple[Job, Outcome]]:
        """See ``Crew``."""
        # One more than there are threads: none waits while a result is committed.
        window = at_once or self._threads + 1
        with ThreadPoolExecutor(self._threads, thread_name_prefix="visard-batch") as pool:
            running: dict[Future[Outcome], Job] = {}
            try:
                while True:
                    for job in islice(jobs, window - len(running)):
                        running[pool.submit(carry_out, job, self._source, self._request, self._studio)] = job
                    if not running:
                        return
                    for future in wait(running, return_when=FIRST_COMPLETED).done:
                        yield running.pop(future), future.result()
            finally:
                pool.shutdown(wait=False, cancel_futures=True)
