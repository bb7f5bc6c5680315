"""Anonymize every photo of a folder, each once: who lists, who commits, and what is done again.

Work may be done twice, results are committed once. Keys are good for one try: a second one with the same keys would
encrypt something else under them.
"""

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

from service.batch.figures import Figures
from service.batch.manifest import Line, Manifest, Note
from service.batch.names import result_name
from service.batch.patience import patiently
from service.batch.storage import Folder
from service.batch.work import Crew, Failed, Job, Lost
from service.errors import EngineUnavailable, Unavailable, VisardError, code_of
from service.keys.provider import KeyProvider
from service.operations.anonymize import Drawn, already_anonymized
from service.operations.keeping import NewImage
from service.records.store import RecordStore
from service.tenancy import Policy

_TRIES = 3
_HOPELESS = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """One run over a folder.

    Attributes:
        tenant: whose images.
        policy: that decides what is kept.
        again: whether images that were anonymized before are done again.
        on_line: told of every source that is finished.
    """

    source: Folder
    target: Folder
    manifest: Manifest
    tenant: str
    policy: Policy
    again: bool
    keys: KeyProvider
    records: RecordStore
    on_line: Callable[[Line], None]

    def run(self, crew: Crew) -> Figures:
        """Do what has no line yet.

        Raises:
            Unavailable: keys, database, engine or files cannot be had; what was committed stays, and a new run goes on.
            Refused: the tenant's key cannot be had.
            FileUnusable, ManifestUnusable: the source cannot be listed, or nothing can be written.
        """
        figures = Figures()
        self._take_back(figures)
        todo: Iterator[str] = self._todo(figures)
        for left in reversed(range(_TRIES)):
            # The last try is made one by one: only an image that kills by itself is given up.
            lost = self._round(crew, todo, figures, at_once=None if left else 1)
            if not left or not lost:
                break
            figures.repeated += len(lost)
            todo = iter([job.source for job, _ in lost])
        self._give_up(lost, figures)
        return figures

    def _round(self, crew: Crew, todo: Iterator[str], figures: Figures, at_once: int | None) -> list[tuple[Job, Lost]]:
        """Try every source once; returns those of which nothing became."""
        lost: list[tuple[Job, Lost]] = []
        recent: deque[bool] = deque(maxlen=_HOPELESS)
        for job, outcome in crew.work((Job(name, self._keys()) for name in todo), at_once):
            recent.append(isinstance(outcome, Lost))
            if isinstance(outcome, Lost):
                lost.append((job, outcome))
                if len(recent) == _HOPELESS and all(recent):
                    raise EngineUnavailable(f"nothing gets done: {outcome.reason or 'see the logs of the engine'}")
            else:
                self._commit(job, outcome, figures)
        return lost

    def _give_up(self, lost: list[tuple[Job, Lost]], figures: Figures) -> None:
        """Only who kills whoever works on it has failed; the others wait for another run."""
        left = []
        for job, outcome in lost:
            if outcome.reason is None:
                died = "whoever worked on the image died, again and again"
                self._finish(Line(source=job.source, status="failed", error="worker-lost", message=died), 0, figures)
            else:
                left.append(f"{job.source}: {outcome.reason}")
        if left:
            raise EngineUnavailable(f"photos left for another run: {len(left)} ({left[0]})")

    def _todo(self, figures: Figures) -> Iterator[str]:
        for name in self.source.photos():
            if name in self.manifest.done:
                figures.skipped += 1
            else:
                yield name

    def _keys(self) -> NewImage:
        return patiently(lambda: NewImage.begin(self.tenant, self.policy, self.keys))

    def _commit(self, job: Job, outcome: Drawn | Failed, figures: Figures) -> None:
        if isinstance(outcome, Drawn):
            try:
                self._check(outcome)
                output = patiently(partial(result_name, job.source, outcome.answer.format, self.source.has))
            except Unavailable:
                raise
            except VisardError as error:
                outcome = Failed(code_of(type(error)), str(error))
        if isinstance(outcome, Failed):
            line = Line(source=job.source, status="failed", error=outcome.error, message=outcome.message)
            self._finish(line, 0, figures)
            return
        answer, stored = outcome.answer, outcome.stored
        if stored is not None:
            self.manifest.note(Note(stored.id, self.tenant, self.target.root, output))
            patiently(lambda: self.records.add(stored))
        patiently(lambda: self.target.write(output, answer.data))
        line = Line(
            source=job.source,
            status="anonymized" if answer.faces else "no-faces",
            output=output,
            record=None if answer.record is None else str(answer.record),
            faces=len(answer.faces),
            bytes=len(answer.data),
        )
        self._finish(line, 0 if stored is None else stored.size, figures)

    def _finish(self, line: Line, record_bytes: int, figures: Figures) -> None:
        self.manifest.add(line)
        figures.count(line, record_bytes)
        self.on_line(line)

    def _check(self, drawn: Drawn) -> None:
        """Metadata may have been stripped since: the database knows the pixels of what it anonymized."""
        if not self.again and patiently(lambda: self.records.by_pixels(self.tenant, drawn.source)) is not None:
            raise already_anonymized()

    def _take_back(self, figures: Figures) -> None:
        """What a process that ended in the middle of a commit left: the file first, then the record."""
        note = self.manifest.unfinished
        if note is None:
            return
        if note.folder == self.target.root:
            self.target.remove(note.output)
        figures.undone += self.records.delete(note.tenant, note.record)
        self.manifest.forget_note()
