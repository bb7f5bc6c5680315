"""Nothing that takes its time runs on the event loop: whoever waits for it, the others are answered meanwhile."""

import asyncio
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from sqlalchemy import Engine, event

from service.api import create_api
from service.api.attempts import RecoveryAttempt
from service.api.multipart import _copied
from service.api.once import digest_of
from service.audit.reading import read_body
from tests.api.conftest import Service

SOON = (datetime.now(UTC) + timedelta(hours=1)).isoformat()


@pytest.fixture
def askers() -> Iterator[list[object]]:
    """Of every statement from now on, on any engine: the event loop that runs in its thread."""
    loops: list[object] = []

    def note(*_: object) -> None:
        loops.append(asyncio._get_running_loop())

    event.listen(Engine, "before_cursor_execute", note)
    event.listen(Engine, "do_connect", note)
    event.listen(Engine, "commit", note)
    yield loops
    for name in ("before_cursor_execute", "do_connect", "commit"):
        event.remove(Engine, name, note)


def test_no_statement_runs_on_the_event_loop(
    service: Service, anonymized: httpx.Response, photo: bytes, grey: bytes, askers: list[object]
) -> None:
    made = service.post("/v1/anonymize", "all", photo, headers={"Idempotency-Key": "loop"})
    record = made.headers["x-visard-record"]
    approval = {"reason": "test", "expires": SOON, "record": record}
    statuses = [
        service.post("/v1/anonymize", "all", photo, headers={"Idempotency-Key": "loop"}).status_code,
        service.post("/v1/detect", "all", grey).status_code,
        service.post("/v1/recover", "all", anonymized.content, reason="test").status_code,
        service.post("/v1/recover", "other", anonymized.content, reason="test").status_code,
        service.post("/v1/recover", "anonymize", photo, reason="test").status_code,
        service.post("/v1/recover", "expired", photo, reason="test").status_code,
        service.post("/v1/recover", "all", photo).status_code,
        service.request("POST", "/v1/approvals", "approve", json=approval).status_code,
        *(
            service.request("GET", f"/v1/audit/{path}", "audit").status_code
            for path in (
                "entries",
                "checkpoint",
                "proofs/inclusion?index=0&size=1",
                "proofs/consistency?first=0&second=1",
            )
        ),
        service.request("GET", f"/v1/records/{record}", "audit").status_code,
        service.request("DELETE", f"/v1/records/{record}", "erase").status_code,
        service.request("GET", "/readyz").status_code,
    ]
    assert statuses == [200, 200, 200, 404, 403, 401, 422, 201, 200, 200, 200, 200, 200, 200, 200]
    assert len(askers) > 100
    assert set(askers) == {None}


@pytest.mark.parametrize(
    ("where", "real"),
    [
        ("anonymize.digest_of", digest_of),
        ("attempts.RecoveryAttempt", RecoveryAttempt),
        ("audit.read_body", read_body),
        ("multipart._copied", _copied),
    ],
)
def test_nothing_that_is_as_long_as_its_input_runs_there(
    where: str, real: Callable[..., object], service: Service, photo: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    loops: list[object] = []

    def noted(*arguments: object, **options: object) -> object:
        loops.append(asyncio._get_running_loop())
        return real(*arguments, **options)

    monkeypatch.setattr(f"service.api.{where}", noted)
    made = service.post("/v1/anonymize", "all", photo, headers={"Idempotency-Key": where})
    attempt = service.post("/v1/recover", "all", made.content, reason="test").headers["x-visard-audit"]
    for path in ("/v1/audit/entries", f"/v1/audit/entries/{attempt}"):
        assert service.request("GET", path, "audit").status_code == 200
    for path in ("/v1/recover", "/v1/anonymize", "/v1/detect"):
        assert service.post(path, "all", photo, surprise="").status_code == 422
    assert service.post("/v1/recover", "all", made.content, reason="test", faces="[]").status_code == 422
    assert loops
    assert set(loops) == {None}


def test_closing_leaves_the_loop_free(service: Service) -> None:
    loops: list[object] = []
    app = create_api(service.desk, lambda: loops.append(asyncio._get_running_loop()))

    async def live() -> None:
        async with app.router.lifespan_context(app):
            assert loops == []

    asyncio.run(live())
    assert loops == [None]
