"""Crews that draw nothing: a test says what becomes of which photo, or they only stand in line for the device."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from threading import Event
from typing import Any, cast
from uuid import uuid4

from torch import Tensor

from service.batch.storage import Folder
from service.batch.work import Failed, Faulted, Job, Lost, Outcome
from service.core.context import Context
from service.engine import MAX_BATCH
from service.errors import EngineBusy
from service.operations.anonymize import Anonymized, AnonymizeRequest, Drawn
from service.records.store import StoredRecord
from tests.closed_form import AnalyticDenoiser
from tests.conftest import TENANT
from tests.engine.devices import PLAN, faces
from tests.waiting import until

DRAWN = Drawn(Anonymized(b"a picture", "png", None, (cast(Any, "a face"),)), None, b"pixels")
"""Of a photo with a face, of whose picture no record is kept."""


def drawn_and_kept() -> Drawn:
    """The same, with a record of its own."""
    stored = StoredRecord(
        id=uuid4(),
        tenant=TENANT,
        custodian="local",
        key_version=1,
        created=datetime.now(UTC),
        pixels_digest=b"other pixels",
        record=b"a record",
    )
    return replace(DRAWN, answer=replace(DRAWN.answer, record=stored.id), stored=stored)


@dataclass
class Played:
    """A crew.

    Attributes:
        becomes: of a photo, by its name and how many are worked on at once; None of which whoever gets it dies.
        tried: names, and how many were worked on at once.
    """

    becomes: Callable[[str, int | None], Drawn | Failed | Faulted | Lost | None]
    tried: list[tuple[str, int | None]] = field(default_factory=list)

    def work(self, jobs: Iterator[Job], at_once: int | None = None) -> Iterator[tuple[Job, Outcome]]:
        for job in jobs:
            self.tried.append((job.source, at_once))
            outcome = self.becomes(job.source, at_once)
            yield job, Lost() if outcome is None else outcome


@dataclass
class Crowd:
    """In place of ``carry_out``: a device that hangs until everybody who asks it for a face is there, or is refused.

    Attributes:
        count: who will ask.
        refused: who was.
    """

    count: int
    refused: int = 0
    there: Event = field(default_factory=Event)

    def carry_out(self, _: Job, source: Folder, request: AnonymizeRequest, studio: Any) -> Outcome:
        digest = studio.bundles.default.digest

        def network(x: Tensor, t: Tensor, context: Context) -> Tensor:
            if not self.there.is_set():
                until(lambda: self.refused or studio.engine.waiting >= self.count - MAX_BATCH)
                self.there.set()
            return AnalyticDenoiser()(x, t, context)

        studio.bundles._loaded[digest] = network
        try:
            studio.engine.anonymize(digest, PLAN, faces(1))
        except EngineBusy as error:
            self.refused += 1
            return Lost(str(error))
        return DRAWN
