"""Clients that leave, too many of them, parts that fail, and settings that do not fit."""

import asyncio
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from service.api.readiness import Readiness
from service.api.workers import Workers
from service.app import create_app
from service.audit.entry import RecoveryAttempt
from service.errors import NotForProduction
from service.settings import Settings
from tests.api.conftest import Service, assert_problem
from tests.api.test_uploads import END, FORM, _part
from tests.waiting import until

PATIENCE_S = 20


@dataclass
class Gated:
    """A part that waits at the gate before it answers as the real one."""

    real: Any
    begun: threading.Event = field(default_factory=threading.Event)
    gate: threading.Event = field(default_factory=threading.Event)
    custodian: str = "local"

    def __call__(self, *arguments: Any) -> Any:
        self.begun.set()
        assert self.gate.wait(PATIENCE_S)
        return self.real(*arguments)

    def record_key(self, *arguments: Any) -> Any:
        return self(*arguments)


async def _leave_during(service: Service, path: str, token: str, body: bytes, part: Gated) -> list[dict[str, Any]]:
    """Send a request, go away once ``part`` is at work, and return what was answered nevertheless."""
    loop, bodies, sent = asyncio.get_running_loop(), [body], []

    async def receive() -> dict[str, Any]:
        if bodies:
            return {"type": "http.request", "body": bodies.pop(), "more_body": False}
        await asyncio.to_thread(part.begun.wait, PATIENCE_S)
        # Behind whoever hears of the disconnect.
        loop.call_soon(part.gate.set)
        return {"type": "http.disconnect"}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    await service.app(_scope(service, path, token), receive, send)
    return sent


def _scope(service: Service, path: str, token: str) -> dict[str, Any]:
    headers = {"authorization": f"Bearer {service.tokens[token]}", "content-type": FORM["Content-Type"]}
    raw = [(name.encode(), value.encode()) for name, value in headers.items()]
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": raw,
        "client": ("127.0.0.1", 1),
        "server": ("visard", 80),
    }


@pytest.mark.parametrize("path", ["/v1/anonymize", "/v1/recover"])
def test_a_client_that_leaves_gets_no_time_on_the_device(
    path: str, service: Service, photo: bytes, anonymized: httpx.Response
) -> None:
    desk = service.desk
    recovering = path.endswith("recover")
    part = Gated(desk.parts.keys.record_key if recovering else desk.parts.detector)
    parts = replace(desk.parts, **{"keys" if recovering else "detector": part})
    fields = _part("reason", b"test") + _part("fidelity", b"generative") if recovering else b""
    body = fields + _part("image", anonymized.content if recovering else photo) + END
    before = _batches(service)
    with service.at(replace(desk, parts=parts)), ThreadPoolExecutor(1) as thread:
        sent = thread.submit(asyncio.run, _leave_during(service, path, "all", body, part)).result(PATIENCE_S)
    assert sent[0]["status"] == 499
    assert _batches(service) == before
    if recovering:
        intent, outcome = service.entries()[-2:]
        assert intent["attempt"] == outcome["attempt"]
        assert (outcome["result"], outcome["detail"]) == ("failed", "caller-gone")


def _batches(service: Service) -> str:
    lines = service.request("GET", "/metrics").text.splitlines()
    return next(line for line in lines if line.startswith("visard_batch_faces_count"))


def test_more_requests_than_admitted_are_told_to_come_back(service: Service, grey: bytes) -> None:
    desk = service.desk
    part = Gated(desk.parts.detector)
    workers = Workers(threads=1, admitted=1)
    narrow = replace(desk, parts=replace(desk.parts, detector=part), workers=workers)
    with service.at(narrow), ThreadPoolExecutor(1) as pool:
        first: Future[httpx.Response] = pool.submit(service.post, "/v1/detect", "all", grey)
        assert part.begun.wait(PATIENCE_S)
        for path in ("/v1/detect", "/v1/anonymize", "/v1/recover"):
            refused = service.post(path, "all", grey, reason="test")
            assert_problem(refused, 429, "engine-busy")
            assert int(refused.headers["retry-after"]) > 0
        assert service.request("GET", "/livez").status_code == 200
        part.gate.set()
        assert first.result(PATIENCE_S).status_code == 200
        assert service.post("/v1/detect", "all", grey).status_code == 200
    workers.close()


def test_a_place_is_held_until_the_answer_is_taken(service: Service, photo: bytes) -> None:
    desk, workers, sent = service.desk, Workers(threads=1, admitted=1), list[tuple[int, object, int]]()
    bodies = [_part("image", photo) + END]

    async def receive() -> dict[str, Any]:
        if not bodies:
            await asyncio.Event().wait()
        return {"type": "http.request", "body": bodies.pop(), "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        sent.append((len(message.get("body", b"")), message.get("more_body"), workers.taken))

    async def ask() -> None:
        async with asyncio.timeout(PATIENCE_S):
            await service.app(_scope(service, "/v1/anonymize", "all"), receive, send)

    with service.at(replace(desk, workers=workers)), ThreadPoolExecutor(1) as thread:
        thread.submit(asyncio.run, ask()).result()
    _, *pieces = sent
    assert {taken for *_, taken in sent} == {1}
    assert [more for _, more, _ in pieces] == [True] * (len(pieces) - 1) + [False]
    assert all(length <= 64 << 10 for length, *_ in pieces)
    assert workers.taken == 0
    workers.close()


def test_a_recovery_that_waits_when_the_service_stops_is_in_the_log(
    service: Service, anonymized: httpx.Response
) -> None:
    desk, before = service.desk, len(service.entries())
    part, workers = Gated(desk.parts.keys.record_key), Workers(threads=1, admitted=2)
    narrow = replace(desk, parts=replace(desk.parts, keys=part), workers=workers)

    async def stop_meanwhile() -> None:
        transport = httpx.ASGITransport(service.app)
        headers = {"Authorization": f"Bearer {service.tokens['all']}"}
        async with httpx.AsyncClient(transport=transport, base_url="http://visard", headers=headers) as client:
            form = {"files": {"image": anonymized.content}, "data": {"reason": "test", "fidelity": "generative"}}
            asked = [asyncio.create_task(client.post("/v1/recover", **form)) for _ in range(2)]
            await asyncio.to_thread(until, lambda: part.begun.is_set() and workers._slow._work_queue.qsize() == 1)
            # As the server does once the deadline has passed.
            for one in asked:
                one.cancel()
            await asyncio.wait(asked)
            closing = asyncio.create_task(asyncio.to_thread(workers.close))
            await asyncio.to_thread(until, lambda: workers._slow._shutdown)
            part.gate.set()
            await closing

    with service.at(narrow), ThreadPoolExecutor(1) as thread:
        thread.submit(asyncio.run, stop_meanwhile()).result(PATIENCE_S)
    entries = service.entries()[before:]
    assert sorted(entry["kind"] for entry in entries) == ["intent", "intent", "outcome", "outcome"]
    assert {entry["detail"] for entry in entries if entry["kind"] == "outcome"} == {"caller-gone"}


def test_readiness_names_the_part_that_is_not_well(service: Service) -> None:
    assert service.request("GET", "/readyz").json() == {
        "status": "ok",
        "parts": {"database": "ok", "keys": "ok", "engine": "ok", "weights": "ok", "signer": "ok"},
    }
    assert service.request("GET", "/healthz").status_code == 200

    def broken() -> None:
        raise OSError("/secret/path")

    readiness = Readiness({"database": broken, "keys": lambda: None})
    with service.at(replace(service.desk, readiness=readiness)):
        answer = service.request("GET", "/readyz")
        assert answer.status_code == 503
        assert answer.json() == {"status": "unavailable", "parts": {"database": "unavailable", "keys": "ok"}}
        assert service.request("GET", "/livez").json() == {"status": "ok", "parts": {}}
    readiness.close()


def test_a_check_that_runs_ends_before_what_it_uses_is_closed() -> None:
    running, ended = threading.Event(), list[bool]()

    def check() -> None:
        running.set()
        time.sleep(0.3)
        ended.append(True)

    readiness = Readiness({"database": check})
    readiness.seen()
    assert running.wait(PATIENCE_S)
    readiness.close()
    assert ended == [True]


def test_a_check_that_hangs_for_good_does_not_keep_the_service_from_ending() -> None:
    gate = threading.Event()
    readiness = Readiness({"database": lambda: gate.wait(PATIENCE_S)}, longest_s=0.1)
    readiness.seen()
    began = time.monotonic()
    readiness.close()
    assert time.monotonic() - began < PATIENCE_S / 2
    gate.set()


def test_readiness_drops_while_draining(service: Service) -> None:
    readiness = Readiness({"keys": lambda: None})
    readiness.draining = True
    with service.at(replace(service.desk, readiness=readiness)):
        answer = service.request("GET", "/readyz")
    readiness.close()
    assert (answer.status_code, answer.json()["status"]) == (503, "draining")


def test_production_refuses_what_is_for_development(tmp_path: Path, small_bundle: Path) -> None:
    with pytest.raises(NotForProduction, match=r"local keystore.*SQLite.*VISARD_TOKEN_PEPPER"):
        create_app(Settings(home=tmp_path, weights=small_bundle, env="production"))


def test_a_recovery_that_uploads_when_the_service_stops_is_in_the_log(service: Service) -> None:
    before, uploading = len(service.entries()), threading.Event()

    async def receive() -> dict[str, Any]:
        uploading.set()
        await asyncio.Event().wait()
        raise AssertionError

    async def send(_: dict[str, Any]) -> None:
        raise AssertionError

    async def stop_meanwhile() -> None:
        asked = asyncio.create_task(service.app(_scope(service, "/v1/recover", "all"), receive, send))
        await asyncio.to_thread(uploading.wait, PATIENCE_S)
        # As the server does once the deadline has passed.
        asked.cancel()
        await asyncio.wait([asked])

    with ThreadPoolExecutor(1) as thread:
        thread.submit(asyncio.run, stop_meanwhile()).result(PATIENCE_S)
    until(lambda: len(service.entries()) == before + 2)
    intent, outcome = service.entries()[before:]
    assert (intent["subject"], outcome["result"], outcome["detail"]) == ("auditor", "failed", "engine-closed")


DENIED = 'visard_recoveries_total{fidelity="none",outcome="denied"}'


def test_a_refusal_that_cannot_be_written_in_time_is_counted_and_may_still_be_written(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    audit, free, workers = service.desk.parts.audit, threading.Event(), Workers(1, 8, patience=0.1)
    intend, before = audit.intend, len(service.entries())

    def slowly(attempt: RecoveryAttempt) -> None:
        assert free.wait(PATIENCE_S)
        intend(attempt)

    def counted() -> list[float]:
        return [service.measured(name) for name in ("visard_audit_write_failures_total", DENIED)]

    failures, denied = counted()
    monkeypatch.setattr(audit, "intend", slowly)
    with service.at(replace(service.desk, workers=workers)):
        assert_problem(service.request("POST", "/v1/recover", "expired"), 503, "audit-unavailable")
    assert counted() == [failures + 1, denied + 1]
    free.set()
    workers.close()
    assert [entry["kind"] for entry in service.entries()[before:]] == ["intent", "outcome"]
