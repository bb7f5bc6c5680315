"""A crew that draws nothing: a test says what becomes of which photo."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, cast
from uuid import uuid4

from service.batch.work import Failed, Faulted, Job, Lost, Outcome
from service.operations.anonymize import Anonymized, Drawn
from service.records.store import StoredRecord
from tests.conftest import TENANT

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
