"""What a batch did, and what a million images would take."""

import time
from dataclasses import dataclass, field

from service.batch.manifest import Line

_MILLION = 1_000_000


@dataclass(slots=True)
class Figures:
    """Counted while it runs.

    Attributes:
        anonymized: images.
        passed_on: images without faces.
        failed: how many, by the type of the error.
        skipped: sources that had a line already.
        repeated: tries that came to nothing and were made again.
        unlisted: folders that could not be listed.
        undone: records that a process which ended left behind, and that were erased.
        faces: that were replaced.
        output_bytes: of all results.
        record_bytes: of their records in the database.
    """

    anonymized: int = 0
    passed_on: int = 0
    failed: dict[str, int] = field(default_factory=dict)
    skipped: int = 0
    repeated: int = 0
    unlisted: int = 0
    undone: int = 0
    faces: int = 0
    output_bytes: int = 0
    record_bytes: int = 0
    since: float = field(default_factory=time.perf_counter)

    def count(self, line: Line, record_bytes: int) -> None:
        """A source is finished."""
        if line.error is not None:
            self.failed[line.error] = self.failed.get(line.error, 0) + 1
            return
        self.anonymized += line.status == "anonymized"
        self.passed_on += line.status == "no-faces"
        self.faces += line.faces
        self.output_bytes += line.bytes
        self.record_bytes += record_bytes

    def summary(self) -> dict[str, object]:
        """As one JSON object; a rate or size of nothing is null."""
        seconds = time.perf_counter() - self.since
        failed = sum(self.failed.values())
        written = self.anonymized + self.passed_on
        return {
            "anonymized": self.anonymized,
            "passed_on": self.passed_on,
            "failed": failed,
            "errors": dict(sorted(self.failed.items())),
            "skipped": self.skipped,
            "repeated": self.repeated,
            "unlisted": self.unlisted,
            "undone": self.undone,
            "faces": self.faces,
            "seconds": round(seconds, 3),
            "images_per_hour": round((written + failed) / seconds * 3600) if written + failed else None,
            "output_bytes": self.output_bytes,
            "record_bytes": self.record_bytes,
            "output_bytes_per_million": self.output_bytes * _MILLION // written if written else None,
            "record_bytes_per_million": self.record_bytes * _MILLION // written if written else None,
        }
