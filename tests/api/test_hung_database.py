"""PostgreSQL hangs while the service runs: an answer in time, nothing recovered, and all is well when it wakes up."""

import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from pydantic import SecretStr

from service.app import create_app
from service.datastore import migrate
from service.keys.local import LocalKeyStore
from service.settings import Settings
from tests.api.conftest import TENANT, Service, assert_problem, close, make_tenants, make_tokens
from tests.conftest import PostgresServer
from tests.waiting import until

DEADLINE_S = 2
SLACK = 5
"""A busy machine may take this many times longer; without a deadline it takes as long as the database hangs."""


@pytest.fixture
def fragile(stoppable_postgres: PostgresServer, tmp_path: Path, small_bundle: Path) -> Iterator[Service]:
    """A service with little patience, on a server that can be stopped."""
    url = SecretStr(stoppable_postgres.url)
    settings = Settings(home=tmp_path / "home", weights=small_bundle, database_url=url, audit_timeout=DEADLINE_S)
    migrate(settings)
    make_tenants(settings)
    app = create_app(settings)
    yield Service(app, make_tokens(app.state.desk.tokens))
    stoppable_postgres.signal(signal.SIGCONT)
    close(app)


def test_callers_are_answered_while_the_database_hangs(
    fragile: Service, stoppable_postgres: PostgresServer, photo: bytes, grey: bytes
) -> None:
    made = fragile.post("/v1/anonymize", "all", photo)
    before = len(fragile.entries())
    stoppable_postgres.signal(signal.SIGSTOP)
    with ThreadPoolExecutor(12) as pool:
        asked = [pool.submit(fragile.post, "/v1/recover", "recover", made.content, reason="test") for _ in range(12)]
        answers = [answer.result() for answer in asked]
    for answer in (*answers, fragile.post("/v1/anonymize", "all", grey)):
        assert_problem(answer, 503, "database-unavailable")
        assert answer.headers["retry-after"]
        assert answer.elapsed.total_seconds() < DEADLINE_S * SLACK
    ready = fragile.request("GET", "/readyz")
    assert (ready.status_code, ready.json()["parts"]["database"]) == (503, "unavailable")
    assert fragile.request("GET", "/livez").status_code == 200
    _wake(fragile, stoppable_postgres)
    assert fragile.post("/v1/recover", "recover", made.content, reason="test").headers["x-visard-verified"] == "image"
    assert [entry["kind"] for entry in fragile.entries()[before:]][-2:] == ["intent", "outcome"]


@pytest.mark.parametrize("step", ["intend", "conclude"])
def test_a_hang_at_an_audit_entry_withholds_the_answer(
    step: str,
    fragile: Service,
    stoppable_postgres: PostgresServer,
    photo: bytes,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made = fragile.post("/v1/anonymize", "all", photo)
    real: Callable[..., None] = getattr(type(fragile.desk.parts.audit), step)
    real_key: Callable[..., object] = LocalKeyStore.record_key
    fetched: list[object] = []

    def hang(*arguments: object) -> None:
        stoppable_postgres.signal(signal.SIGSTOP)
        real(*arguments)

    def fetch(*arguments: object) -> object:
        fetched.append(arguments)
        return real_key(*arguments)

    monkeypatch.setattr(type(fragile.desk.parts.audit), step, hang)
    monkeypatch.setattr(LocalKeyStore, "record_key", fetch)
    answer = fragile.post("/v1/recover", "recover", made.content, reason="test", headers={"X-Request-Id": "hung"})
    assert_problem(answer, 503, "audit-unavailable")
    assert answer.elapsed.total_seconds() < DEADLINE_S * SLACK
    assert bool(fetched) == (step == "conclude"), "no key without an intent"
    monkeypatch.undo()
    _wake(fragile, stoppable_postgres)
    assert fragile.post("/v1/recover", "recover", made.content, reason="test").status_code == 200
    mine = [entry for entry in fragile.entries(TENANT) if entry.get("request") == "hung"]
    assert [entry["kind"] for entry in mine] == ["intent"] * (step == "conclude")


def _wake(service: Service, server: PostgresServer) -> None:
    """Let the server go on, and wait until the service has noticed by itself."""
    server.signal(signal.SIGCONT)
    until(lambda: service.request("GET", "/readyz").status_code == 200)
