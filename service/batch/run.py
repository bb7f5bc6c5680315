"""Anonymize every photo of a folder, each once: who lists, who commits, and what is done again.

Work may be done twice, results are committed once. Keys are good for one try: a second one with the same keys would
encrypt something else under them.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial

from service.batch.figures import Figures
from service.batch.manifest import Line, Manifest, Note
from service.batch.names import result_name
from service.batch.patience import patiently
from service.batch.storage import Folder
from service.batch.work import Crew, Failed, Faulted, Job, Lost
from service.errors import EngineUnavailable, FileUnusable, ManifestUnusable, NameUnusable, Unavailable, VisardError
from service.imaging import OutputFormat
from service.keys.provider import KeyProvider
from service.operations.anonymize import Drawn, already_anonymized
from service.operations.keeping import NewImage
from service.records.store import RecordStore
from service.tenancy import Policy

_HOPELESS = 100
"""Images lost in a row; also how many are lost before they are tried again."""

_Lost = tuple[Job, Lost | Faulted]


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """One run over a folder.

    Attributes:
        tenant: whose images.
        policy: that decides what is kept.
        again: whether images that were anonymized before are done again.
        on_line: told of every source that is finished.
        on_unlisted: told of every folder that cannot be listed, and why.
        figures: what was done so far.
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
    on_unlisted: Callable[[str, VisardError], None]
    figures: Figures = field(default_factory=Figures)

    def run(self, crew: Crew) -> Figures:
        """Do what has no line yet.

        Raises:
            Unavailable: keys, database, engine or files cannot be had; what was committed stays, and a new run goes on.
            Refused: the tenant's key cannot be had.
            FileUnusable: the source cannot be listed or holds no photo, or nothing can be written.
            ManifestUnusable: the note beside it is of something else.
        """
        self._take_back()
        todo = self._todo()
        left: list[str] = []
        first: dict[str, int] = {}
        while lost := self._round(crew, todo, _HOPELESS, first):
            # Soon, not behind all the others: a run over millions may not live so long.
            left += self._again(crew, lost, first)
            first.clear()
        if left:
            raise EngineUnavailable(f"photos left for another run: {len(left)} ({left[0]})")
        return self.figures

    def _round(
        self, crew: Crew, names: Iterator[str], most: int, first: dict[str, int], at_once: int | None = None
    ) -> list[_Lost]:
        """Try sources once, until so many are lost or there are no more; returns those of which nothing became.

        Args:
            first: is told how many images were anonymized when a source was lost for the first time.
        """
        lost: list[_Lost] = []

        def jobs() -> Iterator[Job]:
            while len(lost) < most and (name := next(names, None)) is not None:
                yield Job(name, self._keys())

        row, drawn = 0, self.figures.anonymized
        for job, outcome in crew.work(jobs(), at_once):
            if isinstance(outcome, Drawn | Failed):
                self._commit(job, outcome)
                continue
            first.setdefault(job.source, self.figures.anonymized)
            lost.append((job, outcome))
            # Only a face that was drawn shows that faces can be drawn: what fails by itself needs no device.
            row, drawn = row + 1 if drawn == self.figures.anonymized else 1, self.figures.anonymized
            # Images that kill may lie side by side; what only fails has nothing to do with them.
            if row >= _HOPELESS and outcome.reason is not None:
                raise _nothing_gets_done(job, outcome)
        return lost

    def _again(self, crew: Crew, lost: list[_Lost], first: dict[str, int]) -> list[str]:
        """Try what was lost twice more; returns what is left for another run, and why."""
        in_vain = len(lost) >= _HOPELESS and self.figures.anonymized == min(first.values())
        if in_vain and self.manifest.drawn is not None and not self._draws(crew):
            raise _nothing_gets_done(*lost[-1])
        # The last try is made one by one: only an image that kills by itself is given up.
        for at_once in (1,) if in_vain else (None, 1):
            self.figures.repeated += len(lost)
            lost = self._round(crew, iter([job.source for job, _ in lost]), len(lost), first, at_once)
            if not lost:
                return []
        left = self._give_up(crew, lost, first)
        if in_vain and left and self.figures.anonymized == min(first.values()):
            raise _nothing_gets_done(*lost[-1])
        return left

    def _give_up(self, crew: Crew, lost: list[_Lost], first: dict[str, int]) -> list[str]:
        """Who kills or faults while others are drawn has failed; the rest is left."""
        suspects = [lost_ for lost_ in lost if lost_[1].reason is None or isinstance(lost_[1], Faulted)]
        draws = self.figures.anonymized > max((first[job.source] for job, _ in suspects), default=0)
        failed = suspects if draws or (suspects and self._draws(crew)) else []
        for job, outcome in failed:
            if outcome.reason is None:
                died = "whoever worked on the image died or did not end, again and again"
                self._fail(job, Failed("worker-lost", died))
            else:
                self._fail(job, Failed("fault", outcome.reason))
        gone = {job.source for job, _ in failed}
        return [
            f"{job.source}: {outcome.reason or 'whoever worked on it died'}"
            for job, outcome in lost
            if job.source not in gone
        ]

    def _draws(self, crew: Crew) -> bool:
        """Whether faces can be drawn now, as an image shows that was anonymized before; nothing is kept of it."""
        name = self.manifest.drawn
        if name is None:
            return False
        tried = [outcome for _, outcome in crew.work(iter([Job(name, self._keys())]), 1)]
        return any(isinstance(outcome, Drawn) and outcome.answer.faces for outcome in tried)

    def _todo(self) -> Iterator[str]:
        name = None
        for name in self.source.photos(self._skip):
            if name in self.manifest.done:
                self.figures.skipped += 1
            else:
                yield name
        if name is None and not self.figures.unlisted:
            # What is mounted there may be away: a run that does nothing is not to look like one that is done.
            raise FileUnusable("there are no photos in the source")

    def _skip(self, folder: str, error: VisardError) -> None:
        self.figures.unlisted += 1
        self.on_unlisted(folder, error)

    def _keys(self) -> NewImage:
        return patiently(lambda: NewImage.begin(self.tenant, self.policy, self.keys))

    def _commit(self, job: Job, outcome: Drawn | Failed) -> None:
        if isinstance(outcome, Failed):
            self._fail(job, outcome)
            return
        try:
            self._check(outcome)
            output = patiently(partial(self._output, job.source, outcome.answer.format))
        except Unavailable:
            raise
        except VisardError as error:
            self._fail(job, Failed.of(error))
            return
        try:
            self._keep(outcome, output)
        except NameUnusable as error:
            self._fail(job, Failed.of(error))
            figures = self.figures
            if figures.failed["name-unusable"] >= _HOPELESS and not figures.anonymized + figures.passed_on:
                raise FileUnusable("the destination takes no result, whatever its name is") from error
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
        self._finish(line, 0 if stored is None else stored.size)
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
            note = Note(stored.id, self.tenant, self.target.address, output)
            self.manifest.note(note)
            patiently(lambda: self.records.add(stored))
        try:
            patiently(lambda: self.target.write(output, drawn.answer.data))
        except NameUnusable:
            if stored is not None:
                self._undo(note)
            raise

    def _fail(self, job: Job, failed: Failed) -> None:
        line = Line(source=job.source, status="failed", error=failed.error, message=failed.message)
        self._finish(line, 0)

    def _finish(self, line: Line, record_bytes: int) -> None:
        self.manifest.add(line)
        self.figures.count(line, record_bytes)
        self.on_line(line)

    def _check(self, drawn: Drawn) -> None:
        """Metadata may have been stripped since: the database knows the pixels of what it anonymized."""
        if not self.again and patiently(lambda: self.records.by_pixels(self.tenant, drawn.source)) is not None:
            raise already_anonymized()

    def _take_back(self) -> None:
        """What a process that ended in the middle of a commit left: the file first, then the record."""
        note = self.manifest.unfinished
        if note is None:
            return
        if note.folder != self.target.address:
            raise ManifestUnusable("the note beside the manifest is of another destination")
        self.figures.undone += self._undo(note)

    def _undo(self, note: Note) -> bool:
        """Whether there was a record."""
        self.target.remove(note.output)
        found = patiently(lambda: self.records.delete(note.tenant, note.record))
        self.manifest.forget_note()
        return found


def _nothing_gets_done(job: Job, outcome: Lost | Faulted) -> EngineUnavailable:
    reason = outcome.reason or "see the logs of the engine"
    return EngineUnavailable(f"nothing gets done ({job.source}: {reason})")
