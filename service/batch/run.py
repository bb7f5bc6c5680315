"""Anonymize every photo of a folder, each once: who lists, who commits, and what is done again.

Work may be done twice, results are committed once. Keys are good for one try: a second one with the same keys would
encrypt something else under them.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

from service.batch.figures import Figures
from service.batch.manifest import Line, Manifest, Note
from service.batch.names import result_name
from service.batch.patience import patiently
from service.batch.storage import Folder
from service.batch.work import Crew, Failed, Faulted, Job, Lost
from service.errors import EngineUnavailable, FileUnusable, NameUnusable, Unavailable, VisardError
from service.imaging import OutputFormat
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
        faulted: dict[str, int] = {}
        for left in reversed(range(_TRIES)):
            # The last try is made one by one: only an image that kills by itself is given up.
            lost = self._round(crew, todo, figures, faulted, at_once=None if left else 1)
            if not left or not lost:
                break
            figures.repeated += len(lost)
            todo = iter([job.source for job, _ in lost])
        self._give_up(lost, figures, faulted)
        return figures

    def _round(
        self, crew: Crew, todo: Iterator[str], figures: Figures, faulted: dict[str, int], at_once: int | None
    ) -> list[tuple[Job, Lost | Faulted]]:
        """Try every source once; returns those of which nothing became.

        Args:
            faulted: is told how many images were anonymized when a source faulted for the first time.
        """
        lost: list[tuple[Job, Lost | Faulted]] = []
        row, drawn = 0, figures.anonymized
        for job, outcome in crew.work((Job(name, self._keys()) for name in todo), at_once):
            if isinstance(outcome, Drawn | Failed):
                self._commit(job, outcome, figures)
                continue
            if isinstance(outcome, Faulted):
                faulted.setdefault(job.source, figures.anonymized)
            lost.append((job, outcome))
            # Only a face that was drawn shows that faces can be drawn: what fails by itself needs no device.
            row, drawn = row + 1 if drawn == figures.anonymized else 1, figures.anonymized
            if row == _HOPELESS:
                reason = outcome.reason or "see the logs of the engine"
                raise EngineUnavailable(f"nothing gets done ({job.source}: {reason})")
        return lost

    def _give_up(self, lost: list[tuple[Job, Lost | Faulted]], figures: Figures, faulted: dict[str, int]) -> None:
        """Who kills whoever works on it has failed, and who faults while others are drawn; the rest waits."""
        left = []
        for job, outcome in lost:
            if outcome.reason is None:
                died = "whoever worked on the image died, again and again"
                self._fail(job, Failed("worker-lost", died), figures)
            elif isinstance(outcome, Faulted) and figures.anonymized > faulted[job.source]:
                self._fail(job, Failed("fault", outcome.reason), figures)
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
        if isinstance(outcome, Failed):
            self._fail(job, outcome, figures)
            return
        try:
            self._check(outcome)
            output = patiently(partial(self._output, job.source, outcome.answer.format))
        except Unavailable:
            raise
        except VisardError as error:
            self._fail(job, Failed.of(error), figures)
            return
        try:
            self._keep(outcome, output)
        except NameUnusable as error:
            self._fail(job, Failed.of(error), figures)
            return
        answer, stored = outcome.answer, outcome.stored
        line = Line(
            source=job.source,
            status="anonymized" if answer.faces else "no-faces",
            output=output,
            record=None if answer.record is None else str(answer.record),
            faces=len(answer.faces),
            bytes=len(answer.data),
        )
        self._finish(line, 0 if stored is None else stored.size, figures)
        if stored is not None:
            # Without its line, as when the manifest is put away, it would take back what was committed.
            self.manifest.forget_note()

    def _output(self, source: str, format_: OutputFormat) -> str:
        """What the result is called. A source may be gone, but not what became of it."""
        name = result_name(source, format_, self.source.has)
        if name in self.manifest.results:
            raise FileUnusable("the result would have the name of another one")
        return name

    def _keep(self, drawn: Drawn, output: str) -> None:
        """Store the record and write the file; of a file that can have no such name, nothing stays."""
        stored = drawn.stored
        if stored is not None:
            note = Note(stored.id, self.tenant, self.target.root, output)
            self.manifest.note(note)
            patiently(lambda: self.records.add(stored))
        try:
            patiently(lambda: self.target.write(output, drawn.answer.data))
        except NameUnusable:
            if stored is not None:
                self._undo(note)
            raise

    def _fail(self, job: Job, failed: Failed, figures: Figures) -> None:
        line = Line(source=job.source, status="failed", error=failed.error, message=failed.message)
        self._finish(line, 0, figures)

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
        if note is not None:
            figures.undone += self._undo(note)

    def _undo(self, note: Note) -> bool:
        """Whether there was a record."""
        if note.folder == self.target.root:
            self.target.remove(note.output)
        found = patiently(lambda: self.records.delete(note.tenant, note.record))
        self.manifest.forget_note()
        return found
