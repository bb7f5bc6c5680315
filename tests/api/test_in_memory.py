"""Uploads stay in memory: while they are received and worked on, no file is opened for writing but the log's own."""

import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from tests.api.conftest import Service
from tests.files import encoded
from tests.leaks.watch import here

_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT


@dataclass
class Watch:
    """An audit hook, which cannot be taken away again (PEP 578), but told to look elsewhere."""

    looking: bool = False
    written: list[str] = field(default_factory=list)

    def hook(self, event: str, arguments: tuple[object, ...]) -> None:
        if self.looking and event == "open":
            path, _, flags = arguments
            # A number is a file that was opened before.
            if not isinstance(path, int) and isinstance(flags, int) and flags & _WRITES:
                self.written.append(os.fsdecode(path))  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def installed() -> Watch:
    watch = Watch()
    sys.addaudithook(watch.hook)
    return watch


@pytest.fixture
def watch(installed: Watch) -> Iterator[Watch]:
    installed.written.clear()
    installed.looking = True
    yield installed
    installed.looking = False


def test_the_watch_sees_files(watch: Watch, tmp_path: Path) -> None:
    (tmp_path / "seen").write_bytes(b"x")
    assert str(tmp_path / "seen") in watch.written


def test_no_upload_is_written_to_a_file(service: Service, watch: Watch) -> None:
    image = encoded(np.random.default_rng(1).integers(0, 256, (1200, 1200, 3), np.uint8))
    assert len(image) > 4 << 20
    statuses = [
        service.post("/v1/anonymize", "all", image, no_faces="pass").status_code,
        service.post("/v1/detect", "all", image).status_code,
        service.post("/v1/recover", "all", image, reason="test").status_code,
        service.post("/v1/recover", "all", image[:-9], reason="test").status_code,
        service.post("/v1/anonymize", "all", image, unknown="x" * 10).status_code,
    ]
    service.settle()
    watch.looking = False
    assert statuses == [200, 200, 404, 422, 422]
    home = Path(str(service.desk.parts.audit._engine.url.database)).parent
    checkpoints = home / "audit-checkpoints"
    assert watch.written
    # What the tests keep for their own search is no file of the service's.
    kept = [checkpoints] if (leaks := here()) is None else [checkpoints, leaks.folder / "shown"]
    assert {path for path in watch.written if Path(path).parent not in kept} == set()
