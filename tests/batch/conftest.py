"""A batch over three photos, run as often as a test likes."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, text

from service.batch.figures import Figures
from service.batch.manifest import Heading, Manifest
from service.batch.run import Batch
from service.batch.storage import Folder
from service.batch.work import DEADLINE_S, Job, Lost, Outcome, Threads
from service.operations.anonymize import AnonymizeRequest
from service.operations.parts import Parts
from service.tenancy import Policy
from tests.conftest import TENANT

EVERYTHING = {"a.png", "b.png", "below/c.png"}
Line = dict[str, Any]


@pytest.fixture
def source(tmp_path: Path, photo: bytes) -> Path:
    """Three photos of the same face, one of them below."""
    folder = tmp_path / "source"
    (folder / "below").mkdir(parents=True)
    for name in ("a.png", "b.png", "below/c.png"):
        (folder / name).write_bytes(photo)
    return folder


@pytest.fixture
def at_home(tmp_path: Path, small_bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The command line has a home of this test's own, and the small weights."""
    monkeypatch.setenv("VISARD_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("VISARD_WEIGHTS", str(small_bundle))


@dataclass
class Scripted:
    """A crew of threads, of which some jobs are lost after they were drawn.

    Attributes:
        lost: how often the job of this source is still to be lost.
        tried: sources and nonces, in order.
    """

    threads: Threads
    lost: dict[str, int] = field(default_factory=dict)
    tried: list[tuple[str, bytes]] = field(default_factory=list)

    def work(self, jobs: Iterator[Job], at_once: int | None = None) -> Iterator[tuple[Job, Outcome]]:
        for job, outcome in self.threads.work(jobs, at_once):
            self.tried.append((job.source, job.new.nonce))
            if self.lost.get(job.source, 0) > 0:
                self.lost[job.source] -= 1
                yield job, Lost()
            else:
                yield job, outcome


@dataclass
class Bench:
    """Runs over one source, with one manifest."""

    parts: Parts
    source: Folder
    target: Folder
    manifest: Path
    threads: int = 2
    deadline_s: float = DEADLINE_S
    unlisted: list[str] = field(default_factory=list)

    @property
    def heading(self) -> Heading:
        return Heading(source=self.source.address, destination=self.target.address, tenant=TENANT, options={})

    @contextmanager
    def batch(self, **choices: Any) -> Iterator[tuple[Batch, Scripted]]:
        request = AnonymizeRequest(tenant=TENANT, no_faces="pass", **choices)
        with Manifest.open(self.manifest, self.heading) as opened:
            batch = Batch(
                source=self.source,
                target=self.target,
                manifest=opened,
                tenant=TENANT,
                policy=Policy(),
                again=False,
                keys=self.parts.keys,
                records=self.parts.records,
                on_line=lambda _: None,
                on_unlisted=lambda folder, _: self.unlisted.append(folder),
            )
            yield batch, Scripted(Threads(self.threads, self.source, request, self.parts, self.deadline_s))

    def run(self, lost: dict[str, int] | None = None, **choices: Any) -> tuple[Figures, Scripted]:
        with self.batch(**choices) as (batch, crew):
            crew.lost = dict(lost or {})
            return batch.run(crew), crew

    @property
    def lines(self) -> dict[str, Line]:
        """By their sources, of which each has one."""
        lines = [json.loads(line) for line in self.manifest.read_text().splitlines()[1:]]
        assert len({line["source"] for line in lines}) == len(lines)
        return {line["source"]: line for line in lines}

    def records(self) -> set[str]:
        """Ids of all records in the database."""
        database = create_engine(f"sqlite:///{self.manifest.parent / 'home' / 'visard.db'}")
        with database.connect() as connection:
            found = {str(row.id).replace("-", "") for row in connection.execute(text("SELECT id FROM records"))}
        database.dispose()
        return found

    def is_whole(self, sources: set[str]) -> None:
        """Every source has one line, one file and one record, and no record has none of them."""
        lines = self.lines
        assert set(lines) == sources
        assert self.records() == {line["record"].replace("-", "") for line in lines.values()}
        assert all(self.target.has(line["output"]) for line in lines.values())


@pytest.fixture
def bench(parts: Parts, source: Path, tmp_path: Path) -> Bench:
    folders = Folder.open(str(source)), Folder.open(str(tmp_path / "out"))
    return Bench(parts, *folders, tmp_path / "manifest.jsonl")
