"""What known callers leave in the audit log where their request ends before it is read."""

import asyncio
import threading
import time
import tracemalloc
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from hashlib import sha256
from types import SimpleNamespace
from uuid import UUID

import httpx
import pytest
from fastapi import Request

from service.api import UploadLimits, recover
from service.api.attempts import client_of
from service.api.refusals import Refusals
from service.api.workers import Workers
from service.audit.entry import RecoveryAttempt
from service.chores import finish
from tests.api.conftest import Service, assert_problem
from tests.waiting import PATIENCE_S, until

SUBJECTS = {"recover": "court", "approve": "judge", "erase": "clerk", "audit": "revisor"}
LOGGED = [
    ("POST", "/v1/recover", "recover", ["intent", "outcome"]),
    ("POST", "/v1/approvals", "approve", ["approval"]),
    ("DELETE", f"/v1/records/{UUID(int=7)}", "erase", ["erase"]),
    ("GET", f"/v1/records/{UUID(int=7)}", "audit", ["inspection"]),
]


@pytest.mark.parametrize(
    ("host", "said"),
    [
        ("203.0.113.9", "203.0.113.9"),
        ("2001:DB8::0:1", "2001:db8::1"),
        ("fe80::1%eth0", "fe80::1"),
        ("fe80::1%eth0\x85forged", "fe80::1"),
        ("two\x85lines", "(unreadable)"),
        ("9" * 1001, "(unreadable)"),
        ("unknown", "(unreadable)"),
        ("", "(unreadable)"),
    ],
)
def test_what_the_log_says_of_where_a_request_came_from_is_an_address(host: str, said: str) -> None:
    assert client_of(Request({"type": "http", "client": (host, 0)})) == said


def test_a_request_may_come_from_nowhere() -> None:
    assert client_of(Request({"type": "http", "client": None})) is None


def test_what_nobody_foresaw_while_the_form_is_read_is_in_the_log(
    service: Service, grey: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: object) -> None:
        raise RuntimeError("secret")

    monkeypatch.setattr(recover, "read_form", broken)
    assert_problem(service.post("/v1/recover", "recover", grey, reason="test"), 500, "fault")
    intent, outcome = service.entries()[-2:]
    assert (intent["kind"], intent["subject"]) == ("intent", "court")
    assert (outcome["result"], outcome["detail"]) == ("failed", "fault")


def test_an_image_is_not_kept_for_the_entry_of_its_refusal(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """A log that takes nothing for long: its entries wait, and the places of their requests are free meanwhile."""
    audit, free, workers = service.desk.parts.audit, threading.Event(), Workers(1, 1, patience=0.1)
    before, intend, image = len(service.entries()), audit.intend, bytes(4 << 20)

    def slowly(attempt: RecoveryAttempt) -> None:
        assert free.wait(PATIENCE_S)
        intend(attempt)

    monkeypatch.setattr(audit, "intend", slowly)
    monkeypatch.setattr("service.api.workers._GRACE_S", 0.1)
    with service.at(replace(service.desk, workers=workers)):
        tracemalloc.start()
        try:
            for _ in range(5):
                assert_problem(service.post("/v1/recover", "recover", image), 503, "audit-unavailable")
            kept, _ = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
            free.set()
            workers.close()
    assert kept < len(image)
    entries = service.entries()[before:]
    assert {entry["image_digest"] for entry in entries if entry["kind"] == "intent"} == {sha256(image).hexdigest()}
    assert [entry["detail"] for entry in entries if entry["kind"] == "outcome"] == ["form-invalid"] * 5


@pytest.mark.parametrize(("method", "path", "token", "kinds"), LOGGED)
def test_a_request_that_finds_no_place_is_in_the_log(
    method: str, path: str, token: str, kinds: list[str], service: Service
) -> None:
    before, full = len(service.entries()), Workers(threads=1, admitted=0)
    with service.at(replace(service.desk, workers=full)):
        assert_problem(service.request(method, path, token), 429, "engine-busy")
    full.close()
    entries = service.entries()[before:]
    assert [entry["kind"] for entry in entries] == kinds
    assert (entries[-1]["result"], entries[-1]["detail"]) == ("failed", "engine-busy")


@pytest.mark.parametrize(("method", "path", "token", "kinds"), LOGGED)
def test_of_requests_that_find_no_place_so_many_are_written_down_and_then_their_number(
    method: str, path: str, token: str, kinds: list[str], service: Service
) -> None:
    """Under overload the log grows no faster than by refusals; everybody is told what it is."""
    before, full = len(service.entries()), Workers(threads=1, admitted=0)
    with service.at(replace(service.desk, workers=full, refusals=Refusals(2))):
        for _ in range(5):
            assert_problem(service.request(method, path, token), 429, "engine-busy")
        assert [entry["kind"] for entry in service.entries()[before:]] == kinds * 2
        finish(service.desk)
    full.close()
    said = service.entries()[-1]
    assert (said["kind"], said["subject"], said["count"]) == ("refusals", SUBJECTS[token], 3)
    assert (said["result"], said["detail"]) == ("failed", "engine-busy")


def test_an_approval_that_does_not_arrive_is_in_the_log(service: Service) -> None:
    async def endless() -> AsyncIterator[bytes]:
        yield b"{"
        await asyncio.sleep(PATIENCE_S)

    before, json = len(service.entries()), {"Content-Type": "application/json"}
    with service.at(replace(service.desk, limits=UploadLimits(seconds=0.1))):
        late = service.request("POST", "/v1/approvals", "approve", content=endless(), headers=json)
    assert_problem(late, 408, "upload-too-slow")
    (entry,) = service.entries()[before:]
    assert (entry["kind"], entry["subject"], entry["detail"]) == ("approval", "judge", "upload-too-slow")


@pytest.mark.parametrize(("method", "path", "token", "kinds"), LOGGED)
def test_a_request_that_is_not_counted_yet_when_the_service_stops_is_in_the_log(
    method: str, path: str, token: str, kinds: list[str], service: Service
) -> None:
    before, counting, counted = len(service.entries()), threading.Event(), threading.Event()

    def spend(_: object) -> None:
        counting.set()
        assert counted.wait(PATIENCE_S)

    async def stop_meanwhile() -> None:
        transport = httpx.ASGITransport(service.app)
        headers = {"Authorization": f"Bearer {service.tokens[token]}"}
        async with httpx.AsyncClient(transport=transport, base_url="http://visard", headers=headers) as client:
            asked = asyncio.create_task(client.request(method, path))
            await asyncio.to_thread(counting.wait, PATIENCE_S)
            # As the server does once the deadline has passed.
            asked.cancel()
            await asyncio.wait([asked])
            counted.set()

    quota = SimpleNamespace(spend=spend)
    with service.at(replace(service.desk, quota=quota)), ThreadPoolExecutor(1) as thread:
        thread.submit(asyncio.run, stop_meanwhile()).result(PATIENCE_S)
    until(lambda: len(service.entries()) == before + len(kinds))
    entries = service.entries()[before:]
    assert [entry["kind"] for entry in entries] == kinds
    assert (entries[0]["subject"], entries[-1]["detail"]) == (SUBJECTS[token], "engine-closed")


def test_what_a_late_refusal_leaves_to_be_done_is_done_before_the_service_ends() -> None:
    workers, begun, gate, done = Workers(1, 1), threading.Event(), threading.Event(), list[bool]()

    def refuse() -> None:
        begun.set()
        assert gate.wait(PATIENCE_S)
        workers.afterwards(lambda: done.append(True))

    async def stop_meanwhile() -> None:
        refused = workers.noted(lambda: refuse)
        await asyncio.to_thread(begun.wait, PATIENCE_S)
        closing = asyncio.create_task(asyncio.to_thread(workers.close))
        await asyncio.to_thread(until, lambda: workers._slow._shutdown)
        gate.set()
        await asyncio.gather(refused, closing)

    with ThreadPoolExecutor(1) as thread:
        thread.submit(asyncio.run, stop_meanwhile()).result(PATIENCE_S)
    assert done == [True]


def test_an_entry_that_is_being_made_when_the_service_stops_is_committed() -> None:
    workers, begun, gate, done = Workers(1, 1), threading.Event(), threading.Event(), list[bool]()

    def make() -> Callable[[], None]:
        begun.set()
        assert gate.wait(PATIENCE_S)
        return lambda: done.append(True)

    async def stop_meanwhile() -> None:
        noted = asyncio.create_task(workers.note(make))
        await asyncio.to_thread(begun.wait, PATIENCE_S)
        noted.cancel()
        await asyncio.wait([noted])
        gate.set()
        await asyncio.to_thread(workers.close)

    with ThreadPoolExecutor(1) as thread:
        thread.submit(asyncio.run, stop_meanwhile()).result(PATIENCE_S)
    assert done == [True]


@pytest.mark.parametrize(
    ("method", "path", "token", "status", "slug", "steps"),
    [
        ("POST", "/v1/recover", "expired", 401, "token-refused", ["audit.intend", "audit.conclude"]),
        (
            "DELETE",
            f"/v1/records/{UUID(int=7)}",
            "other",
            403,
            "scope-missing",
            ["records.owners", "audit.commit_denied"],
        ),
    ],
)
def test_a_refusal_that_is_written_down_in_two_slow_steps_is_told(
    method: str,
    path: str,
    token: str,
    status: int,
    slug: str,
    steps: list[str],
    service: Service,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each may take as long as the database is given."""
    workers = Workers(1, 8, patience=4)
    for part, _, name in (step.partition(".") for step in steps):
        at = getattr(service.desk.parts, part)
        monkeypatch.setattr(at, name, _slowly(getattr(at, name), 3.5))
    with service.at(replace(service.desk, workers=workers)):
        assert_problem(service.request(method, path, token), status, slug)
    workers.close()


def _slowly(call: Callable[..., object], seconds: float) -> Callable[..., object]:
    def slow(*arguments: object, **options: object) -> object:
        time.sleep(seconds)
        return call(*arguments, **options)

    return slow
