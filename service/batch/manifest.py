"""The manifest: a JSON line for each source that is finished, and a note of the one that was being committed.

The order of a commit: note, record in the database, file, line. A process that dies in between leaves the note, and
what it names is taken back before the work goes on: no file and no record that no line speaks of stays behind.
"""

import fcntl
import json
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import BinaryIO, Literal, Self
from uuid import UUID

from service.errors import ManifestUnusable
from service.private_files import replace_durably

Status = Literal["anonymized", "no-faces", "failed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """What became of one source.

    Attributes:
        source: its name.
        status: ``no-faces`` was passed on as it is.
        output: name of the result; None if it failed.
        record: id of the record; None without one.
        faces: that were replaced.
        bytes: of the result.
        error: stable type of what went wrong; None if nothing did.
        message: of the error.
    """

    source: str
    status: Status
    output: str | None = None
    record: str | None = None
    faces: int = 0
    bytes: int = 0
    error: str | None = None
    message: str | None = None


@dataclass(frozen=True, slots=True)
class Note:
    """What is about to be committed."""

    record: UUID
    tenant: str
    folder: str
    output: str


class Manifest:
    """The file, held by one process at a time.

    Attributes:
        done: names of the sources that have a line.
        results: names of their results, as far as they have one.
        unfinished: what was being committed when the last process ended, if it did not get to the line.
    """

    def __init__(self, opened: BinaryIO, note: Path) -> None:
        self._opened = opened
        self._note = note
        self.done: set[str] = set()
        self.results: set[str] = set()
        self.unfinished = _note_in(note)

    @classmethod
    @contextmanager
    def open(cls, path: Path) -> Iterator[Self]:
        """Read what there is, or begin a new one; a line that was cut off is removed.

        Raises:
            ManifestUnusable: it cannot be read or written, is no manifest, or another process works on it.
        """
        with ExitStack() as stack:
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                opened = stack.enter_context(open(path, "a+b"))
                fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
                manifest = cls(opened, path.with_name(f"{path.name}.note"))
                manifest._read()
            except BlockingIOError as error:
                raise ManifestUnusable("another process works on this manifest") from error
            except OSError as error:
                raise ManifestUnusable("the manifest cannot be read and written") from error
            yield manifest

    def note(self, note: Note) -> None:
        """Write down what is about to be committed.

        Raises:
            ManifestUnusable: it cannot be written.
        """
        text = json.dumps({**asdict(note), "record": str(note.record)})
        self._written(lambda: replace_durably(self._note, text.encode()))

    def forget_note(self) -> None:
        """Nothing is being committed any more.

        Raises:
            ManifestUnusable: the note cannot be removed.
        """
        self._written(lambda: self._note.unlink(missing_ok=True))

    def add(self, line: Line) -> None:
        """Commit the result of a source.

        Raises:
            ManifestUnusable: it cannot be written.
        """
        if line.source in self.done:
            raise ValueError("a source has one line")
        text = json.dumps({key: value for key, value in asdict(line).items() if value is not None}) + "\n"

        def append() -> None:
            # In one call, at the end of the file: a line is there or it is not, or it is cut off and has no end.
            self._opened.write(text.encode())
            self._opened.flush()
            os.fsync(self._opened.fileno())

        self._written(append)
        self._finished(line.source, line.output)

    def _read(self) -> None:
        self._opened.seek(0)
        end = 0
        try:
            for raw in self._opened:
                if not raw.endswith(b"\n"):
                    break
                end += len(raw)
                line = json.loads(raw)
                self._finished(str(line["source"]), line.get("output"))
                if self.unfinished and line.get("record") == str(self.unfinished.record):
                    self.unfinished = None
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ManifestUnusable("a line of the manifest is none") from error
        self._opened.truncate(end)
        self._opened.seek(0, os.SEEK_END)

    def _finished(self, source: str, output: str | None) -> None:
        self.done.add(source)
        if output is not None:
            # Most are named like their sources: a million names are not kept twice.
            self.results.add(source if output == source else output)

    def _written(self, write: Callable[[], None]) -> None:
        try:
            write()
        except OSError as error:
            raise ManifestUnusable("the manifest cannot be written") from error


def _note_in(path: Path) -> Note | None:
    try:
        note = json.loads(path.read_bytes())
        return Note(UUID(note["record"]), str(note["tenant"]), str(note["folder"]), str(note["output"]))
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError) as error:
        raise ManifestUnusable("the note beside the manifest cannot be read") from error
