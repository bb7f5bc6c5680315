"""The manifest: what it is of, a JSON line for each source that is finished, and a note of the one being committed.

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
from typing import Any, BinaryIO, Literal, Self
from uuid import UUID

from service.errors import FilesUnavailable, ManifestUnusable
from service.private_files import replace_durably

Status = Literal["anonymized", "no-faces", "failed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Heading:
    """The first line: what all others are about. It is written together with the first of them.

    Attributes:
        source: a path, or a URL without credentials.
        destination: likewise.
        tenant: whose images.
        options: that decide what the results look like.
    """

    source: str
    destination: str
    tenant: str
    options: dict[str, str | int | None]

    def require_same(self, other: object) -> None:
        """Refuse the heading of something else.

        Raises:
            ManifestUnusable: and in what it differs.
        """
        if not isinstance(other, dict):
            raise ManifestUnusable("the manifest does not begin with what it is of: name another file")
        mine, its = ({**each.pop("options", {}), **each} for each in (asdict(self), dict(other)))
        if differ := sorted(name for name in {*mine, *its} if mine.get(name) != its.get(name)):
            raise ManifestUnusable(
                f"the manifest was begun with another {', '.join(differ)}: name another file, or go on as it began"
            )


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
        drawn: one of the sources whose faces were replaced; None if there is none yet.
        unfinished: what was being committed when the last process ended, if it did not get to the line.
    """

    def __init__(self, opened: BinaryIO, note: Path, heading: Heading) -> None:
        self._opened = opened
        self._note = note
        self._heading = heading
        self._begun = False
        self.drawn: str | None = None
        self.done: set[str] = set()
        self.results: set[str] = set()
        self.unfinished = _note_in(note)

    @classmethod
    @contextmanager
    def open(cls, path: Path, heading: Heading) -> Iterator[Self]:
        """Read what there is, or begin a new one; a line that was cut off is removed.

        Raises:
            ManifestUnusable: it cannot be opened, is no manifest or one of something else, or another process works on
                it.
            FilesUnavailable: it cannot be written now.
        """
        with ExitStack() as stack:
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                opened = stack.enter_context(open(path, "a+b"))
                fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
                manifest = cls(opened, path.with_name(f"{path.name}.note"), heading)
                manifest._read()
            except BlockingIOError as error:
                raise ManifestUnusable("another process works on this manifest") from error
            except OSError as error:
                raise ManifestUnusable("the manifest cannot be read and written") from error
            yield manifest

    def note(self, note: Note) -> None:
        """Write down what is about to be committed.

        Raises:
            FilesUnavailable: it cannot be written now.
        """
        self._begin()
        text = json.dumps({**asdict(note), "record": str(note.record)})
        self._written(lambda: replace_durably(self._note, text.encode()))

    def forget_note(self) -> None:
        """Nothing is being committed any more.

        Raises:
            FilesUnavailable: the note cannot be removed now.
        """
        self._written(lambda: self._note.unlink(missing_ok=True))

    def add(self, line: Line) -> None:
        """Commit the result of a source.

        Raises:
            FilesUnavailable: it cannot be written now.
        """
        if line.source in self.done:
            raise ValueError("a source has one line")
        self._begin()
        self._append(_line({key: value for key, value in asdict(line).items() if value is not None}))
        self._finished(line.source, line.output, line.status)

    def _read(self) -> None:
        self._opened.seek(0)
        end, missing = 0, b""
        try:
            for raw in self._opened:
                if not raw.endswith(b"\n"):
                    if not _is_whole(raw):
                        break
                    # Whoever removes a line may use an editor that leaves the last newline out.
                    missing = b"\n"
                end += len(raw)
                line = json.loads(raw)
                if not self._begun:
                    self._heading.require_same(line.get("batch"))
                    self._begun = True
                    continue
                self._finished(str(line["source"]), line.get("output"), line.get("status"))
                if self.unfinished and line.get("record") == str(self.unfinished.record):
                    self.unfinished = None
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ManifestUnusable("a line of the manifest is none") from error
        if self.unfinished and not self._begun:
            raise ManifestUnusable("the note beside the manifest is of another manifest: put that one back")
        self._opened.truncate(end)
        self._append(missing)

    def _begin(self) -> None:
        if not self._begun:
            self._append(_line({"batch": asdict(self._heading)}))
            self._begun = True

    def _append(self, data: bytes) -> None:
        def append() -> None:
            # At the end of the file: a line is there or it is not, or it is cut off and has no end. Without a buffer:
            # closing it would try once more what has failed.
            left = data
            while left:
                left = left[os.write(self._opened.fileno(), left) :]
            os.fsync(self._opened.fileno())

        self._written(append)

    def _finished(self, source: str, output: str | None, status: str | None) -> None:
        if status == "anonymized":
            self.drawn = source
        self.done.add(source)
        if output is not None:
            # Most are named like their sources: a million names are not kept twice.
            self.results.add(source if output == source else output)

    def _written(self, write: Callable[[], None]) -> None:
        try:
            write()
        except OSError as error:
            raise FilesUnavailable("the manifest cannot be written") from error


def _line(content: dict[str, Any]) -> bytes:
    return f"{json.dumps(content)}\n".encode()


def _is_whole(raw: bytes) -> bool:
    """Of a line without a newline: whether nothing else of it is missing."""
    try:
        json.loads(raw)
    except ValueError:
        return False
    return True


def _note_in(path: Path) -> Note | None:
    try:
        note = json.loads(path.read_bytes())
        return Note(UUID(note["record"]), str(note["tenant"]), str(note["folder"]), str(note["output"]))
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError) as error:
        raise ManifestUnusable("the note beside the manifest cannot be read") from error
