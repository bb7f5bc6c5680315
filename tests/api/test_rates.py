"""Callers who ask too often."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import count
from pathlib import Path
from unittest.mock import create_autospec
from uuid import UUID

import pytest

from service.access.principal import Principal, Scope
from service.access.quota import Quota
from service.administration import open_access
from service.api.refusals import Refusals
from service.audit.entry import RecoveryAttempt
from service.errors import DatabaseUnavailable, RateExceeded
from service.settings import Settings
from tests.api.conftest import TENANT, Service, assert_problem
from tests.api.test_permissions import _Unread


class Clock:
    """Stands until it is moved; each begins an hour after the last, when all quotas are whole again."""

    _starts = count(1_900_000_000_000_000, 3_600_000_000)

    def __init__(self) -> None:
        self.time = next(self._starts)

    def __call__(self) -> int:
        return self.time


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def limited(service: Service, clock: Clock) -> Iterator[Service]:
    """A service that answers each caller twice a minute."""
    quota = Quota(service.desk.replays._engine, 2, clock)
    with service.at(replace(service.desk, quota=quota)):
        yield service


def test_one_too_many_is_refused_unread_until_its_time_comes(limited: Service, grey: bytes, clock: Clock) -> None:
    assert [limited.post("/v1/detect", "all", grey).status_code for _ in range(2)] == [200, 200]
    refused = limited.request("POST", "/v1/anonymize", "all", content=_Unread())
    assert_problem(refused, 429, "rate-exceeded")
    assert refused.headers["retry-after"] == "30"
    assert limited.post("/v1/detect", "anonymize", grey).status_code == 200
    assert limited.request("GET", "/readyz").status_code == 200
    clock.time += 30_000_000
    assert limited.post("/v1/detect", "all", grey).status_code == 200


def test_a_refused_recovery_is_in_the_log(limited: Service, grey: bytes) -> None:
    for _ in range(2):
        assert_problem(limited.post("/v1/recover", "anonymize", grey), 403, "scope-missing")
    assert_problem(limited.post("/v1/recover", "anonymize", grey), 429, "rate-exceeded")
    intent, outcome = limited.entries()[-2:]
    assert (intent["subject"], outcome["result"], outcome["detail"]) == ("camera", "denied", "rate-exceeded")


@pytest.mark.parametrize(
    ("token", "route", "status", "slug"),
    [
        ("expired", "POST /v1/recover", 401, "token-refused"),
        ("expired", f"DELETE /v1/records/{UUID(int=7)}", 401, "token-refused"),
        ("anonymize", "POST /v1/recover", 403, "scope-missing"),
        ("recover", "POST /v1/recover", 429, "rate-exceeded"),
    ],
)
def test_every_refusal_is_in_the_log_and_there_are_so_many_in_a_minute(
    token: str, route: str, status: int, slug: str, service: Service, clock: Clock
) -> None:
    now = Clock()
    refusals = Refusals(2, lambda: now.time / 1_000_000)
    quota = Quota(service.desk.replays._engine, 2, clock) if status == 429 else None
    with service.at(replace(service.desk, refusals=refusals, quota=quota)):
        if quota is not None:
            for _ in range(2):
                service.request(*route.split(), token)
        before = len(service.entries())
        for written in (2, 4):
            for _ in range(2):
                assert_problem(service.request(*route.split(), token, content=_Unread()), status, slug)
            now.time += 20_000_000
            refused = service.request(*route.split(), token, content=_Unread())
            assert_problem(refused, 429, "rate-exceeded")
            assert refused.headers["retry-after"] == "40"
            made = service.entries()[before:]
            assert [entry["detail"] for entry in made if "detail" in entry] == [slug] * written
            now.time += 40_000_000


@pytest.mark.parametrize(
    ("error", "status", "slug"),
    [(DatabaseUnavailable("the table is locked"), 503, "database-unavailable"), (RuntimeError("secret"), 500, "fault")],
)
@pytest.mark.parametrize(
    ("token", "route"), [("recover", "POST /v1/recover"), ("erase", f"DELETE /v1/records/{UUID(int=7)}")]
)
def test_a_request_that_cannot_be_counted_is_in_the_log(
    token: str, route: str, error: Exception, status: int, slug: str, service: Service
) -> None:
    quota = create_autospec(Quota, instance=True)
    quota.spend.side_effect = error
    with service.at(replace(service.desk, quota=quota)):
        assert_problem(service.request(*route.split(), token, content=_Unread()), status, slug)
    assert (service.entries()[-1]["result"], service.entries()[-1]["detail"]) == ("failed", slug)


def test_who_has_an_old_token_does_not_use_up_what_its_owner_is_told(service: Service) -> None:
    tokens = {**service.tokens, "late": service.desk.tokens.create(TENANT, "late", [Scope.ANONYMIZE])[1]}
    with service.at(replace(service.desk, refusals=Refusals(1))):
        owner = replace(service, tokens=tokens)
        assert [owner.request("POST", "/v1/recover", "expired").status_code for _ in range(2)] == [401, 429]
        assert owner.request("POST", "/v1/recover", "late").status_code == 403


def test_refusals_that_wait_for_the_log_keep_nobody_else_waiting(
    service: Service, grey: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    audit, free, begun = service.desk.parts.audit, threading.Event(), threading.Semaphore(0)
    intend = audit.intend

    def slowly(attempt: RecoveryAttempt) -> None:
        begun.release()
        assert free.wait(60)
        intend(attempt)

    monkeypatch.setattr(audit, "intend", slowly)
    with ThreadPoolExecutor(12) as pool:
        waiting = [pool.submit(service.request, "POST", "/v1/recover", "expired") for _ in range(12)]
        try:
            assert all(begun.acquire(timeout=60) for _ in range(2))
            assert service.post("/v1/detect", "all", grey).status_code == 200
            assert not any(one.done() for one in waiting)
        finally:
            free.set()
        assert {one.result().status_code for one in waiting} == {401}


def test_a_guess_is_nobodys_request(limited: Service) -> None:
    for _ in range(4):
        headers = {"Authorization": "Bearer visard_" + "x" * 43}
        assert_problem(limited.request("POST", "/v1/detect", headers=headers), 401, "token-refused")


def test_the_limit_is_a_setting(tmp_path: Path) -> None:
    caller = Principal("camera", "hospital", frozenset())
    with open_access(Settings(home=tmp_path)) as access:
        assert access.quota is None
    with open_access(Settings(home=tmp_path, requests_per_minute=1)) as access:
        assert access.quota is not None
        access.quota.spend(caller)
        with pytest.raises(RateExceeded):
            access.quota.spend(caller)
