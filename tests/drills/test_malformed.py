"""Malformed uploads over HTTP: each one a problem of the caller's, none of the service's, in bounded memory."""

from collections import Counter
from pathlib import Path

import httpx

from tests.api.conftest import assert_problem
from tests.drills.malformed import malformed
from tests.effort import count
from tests.serving import PATIENCE_S, Process

ROUTES: tuple[tuple[str, dict[str, str]], ...] = (("/v1/anonymize", {}), ("/v1/recover", {"reason": "drill"}))
"""Each kind of upload meets them in turn."""

ROOM_KIB = 64 << 10
"""What they may take at most beyond what a small photo has cost."""

LONGEST_S = 2
SLACK = 5
"""A busy machine may take this many times longer."""


def test_malformed_uploads_are_problems_in_bounded_memory(embedded: Process, photo: bytes) -> None:
    made = embedded.post("/v1/anonymize", "all", photo)
    assert embedded.post("/v1/recover", "all", made.content, reason="drill").status_code == 200
    before = _peak_kib(embedded)
    met = Counter[str]()
    headers = embedded.bearer("all")
    with httpx.Client(base_url=embedded.url, headers=headers, timeout=PATIENCE_S, trust_env=False) as client:
        for what, data in malformed(count(350, 3000), seed=7):
            path, fields = ROUTES[met[what] % len(ROUTES)]
            met[what] += 1
            answer = client.post(path, data=fields, files={"image": data})
            assert answer.elapsed.total_seconds() < LONGEST_S * SLACK, what
            assert 400 <= answer.status_code < 500, f"{what}: {answer.status_code}"
            assert_problem(answer, answer.status_code, answer.json()["type"].removeprefix("urn:visard:problem:"))
    assert min(met.values()) >= len(ROUTES)
    assert _peak_kib(embedded) - before < ROOM_KIB
    assert embedded.post("/v1/anonymize", "all", photo).status_code == 200


def _peak_kib(service: Process) -> int:
    """The most memory the process has had so far."""
    status = Path(f"/proc/{service.process.pid}/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM:"))
