"""What is measured, and measurements at a port of their own."""

import asyncio
import re
import socket
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from sqlalchemy import text

from service.access.principal import Scope
from service.access.tokens import TokenStore
from service.administration import open_access
from service.api.readiness import Readiness
from service.app import create_app
from service.database.engine import transaction
from service.errors import AddressUnusable
from service.metrics import Metrics
from service.settings import Settings
from tests.api.conftest import TENANT, Service, assert_problem, close, make_tokens
from tests.api.test_lifecycle import PATIENCE_S, Gated
from tests.certificates import written
from tests.ports import free_port
from tests.waiting import until


def test_measurements_are_there_and_nowhere_else(settings_for: Callable[[Path], Settings], tmp_path: Path) -> None:
    port = free_port()
    app = create_app(settings_for(tmp_path / "home").model_copy(update={"metrics_port": port}))
    service = Service(app, {})
    assert service.request("GET", "/livez").status_code == 200
    assert_problem(service.request("GET", "/metrics"), 404, "not-found")
    url = f"http://127.0.0.1:{port}/metrics"
    assert 'visard_requests_total{route="/livez",status="2xx"} 1.0' in httpx.get(url, trust_env=False).text
    close(app)
    with pytest.raises(httpx.ConnectError):
        httpx.get(url, trust_env=False)


def test_a_port_that_is_taken(settings_for: Callable[[Path], Settings], tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        settings = settings_for(tmp_path / "home").model_copy(update={"metrics_port": taken.getsockname()[1]})
        with pytest.raises(AddressUnusable, match="VISARD_METRICS_PORT"):
            create_app(settings)


class Ear:
    """Hears of phases."""

    def __init__(self) -> None:
        self.heard: list[str] = []

    def spent(self, phase: str, seconds: float) -> None:
        assert seconds >= 0
        self.heard.append(phase)


@pytest.mark.parametrize(
    ("path", "phases"),
    [
        ("/v1/detect", ["decode", "detect"]),
        ("/v1/anonymize", ["decode", "detect", "key", "encode"]),
        ("/v1/recover", ["decode", "key", "encode"]),
    ],
)
def test_operations_tell_their_phases(
    path: str, phases: list[str], service: Service, photo: bytes, anonymized: httpx.Response
) -> None:
    desk, ear = service.desk, Ear()
    recovering = path.endswith("recover")
    service.app.state.desk = replace(desk, parts=replace(desk.parts, observer=ear))
    try:
        answer = service.post(
            path, "all", anonymized.content if recovering else photo, **({"reason": "test"} if recovering else {})
        )
    finally:
        service.app.state.desk = desk
    assert answer.status_code == 200
    assert list(dict.fromkeys(ear.heard)) == phases


def test_places_that_are_held_are_measured(service: Service, grey: bytes) -> None:
    part = Gated(service.desk.parts.detector)
    with (
        service.at(replace(service.desk, parts=replace(service.desk.parts, detector=part))),
        ThreadPoolExecutor(1) as pool,
    ):
        asked = pool.submit(service.post, "/v1/detect", "all", grey)
        assert part.begun.wait(PATIENCE_S)
        measured = service.request("GET", "/metrics").text
        part.gate.set()
        asked.result(PATIENCE_S)
    assert "visard_requests_admitted 1.0" in measured
    assert "visard_requests_admitted_limit 32.0" in measured
    assert "visard_requests_admitted 0.0" in service.request("GET", "/metrics").text


def test_a_service_that_is_full_says_so(tmp_path: Path, settings_for: Callable[[Path], Settings], grey: bytes) -> None:
    """Eight are worked on, as many as the device has seats for; whoever else is admitted waits, and is measured."""
    app = create_app(settings_for(tmp_path / "home").model_copy(update={"admitted": 10}))
    alone = Service(app, make_tokens(app.state.desk.tokens))
    part = Gated(alone.desk.parts.detector)
    with (
        alone.at(replace(alone.desk, parts=replace(alone.desk.parts, detector=part))),
        ThreadPoolExecutor(10) as pool,
    ):
        asked = [pool.submit(alone.post, "/v1/detect", "all", grey) for _ in range(10)]
        until(lambda: alone.measured("visard_queue_depth") == 2)
        assert alone.measured("visard_requests_admitted") == alone.measured("visard_requests_admitted_limit") == 10
        assert_problem(alone.post("/v1/detect", "all", grey), 429, "engine-busy")
        part.gate.set()
        assert [one.result(PATIENCE_S).status_code for one in asked] == [200] * 10
    assert alone.measured("visard_queue_depth") == 0
    close(app)


def test_parts_that_are_not_ready_are_measured(tmp_path: Path, settings_for: Callable[[Path], Settings]) -> None:
    app = create_app(settings_for(tmp_path / "home"))
    alone = Service(app, {})
    database = app.state.desk.tenants._engine
    until(lambda: _ready(alone) == dict.fromkeys(alone.request("GET", "/readyz").json()["parts"], 1.0))
    with transaction(database) as connection:
        connection.execute(text("ALTER TABLE tenants RENAME TO elsewhere"))
    until(lambda: _ready(alone)["database"] == 0)
    assert {part for part, well in _ready(alone).items() if not well} == {"database"}
    with transaction(database) as connection:
        connection.execute(text("ALTER TABLE elsewhere RENAME TO tenants"))
    until(lambda: _ready(alone)["database"] == 1)
    close(app)


def test_a_part_that_hangs_is_not_ready_and_no_scrape_waits_for_it() -> None:
    gate, asked = threading.Event(), list[int]()

    def hang() -> None:
        asked.append(1)
        gate.wait(PATIENCE_S)

    readiness, metrics = Readiness({"keys": hang, "database": lambda: None}), Metrics("1", "digest")
    metrics.watch_readiness(readiness.seen)
    took = []

    def scrape() -> str:
        began = time.monotonic()
        rendered = metrics.render().decode()
        took.append(time.monotonic() - began)
        return rendered

    until(lambda: 'visard_ready{part="database"} 1.0' in scrape())
    assert 'part="keys"' not in scrape()
    until(lambda: 'visard_ready{part="keys"} 0.0' in scrape())
    assert max(took) < 1
    assert len(asked) == 1
    gate.set()
    until(lambda: 'visard_ready{part="keys"} 1.0' in scrape())
    readiness.close()
    assert "visard_ready{" not in scrape()


def _ready(service: Service) -> dict[str, float]:
    lines = service.request("GET", "/metrics").text.splitlines()
    found = (re.match(r'visard_ready\{part="(\w+)"\} (.*)', line) for line in lines)
    return {match[1]: float(match[2]) for match in found if match}


def test_what_ends_soon_is_measured(tmp_path: Path, settings_for: Callable[[Path], Settings]) -> None:
    end = datetime(2030, 1, 2, tzinfo=UTC)
    settings = settings_for(tmp_path / "home").model_copy(update={"vault_ca": written(tmp_path / "ca.pem", end)})
    app = create_app(settings)
    alone = Service(app, make_tokens(app.state.desk.tokens))
    with open_access(settings) as access:
        long_ago = TokenStore(
            access.tokens._engine, access.tokens._pepper, lambda: datetime.now(UTC) - timedelta(days=30)
        )
        long_ago.create(TENANT, "camera", [Scope.ANONYMIZE], datetime.now(UTC) + timedelta(days=1))

    def noted() -> bool:
        return 'file="vault_ca"' in alone.request("GET", "/metrics").text

    async def live() -> None:
        async with app.router.lifespan_context(app):
            await asyncio.to_thread(until, noted)

    with ThreadPoolExecutor(1) as thread:
        thread.submit(asyncio.run, live()).result(PATIENCE_S)
    measured = dict(line.rsplit(" ", 1) for line in app.state.desk.metrics.render().decode().splitlines())
    assert float(measured['visard_certificate_expiry_timestamp_seconds{file="vault_ca"}']) == end.timestamp()
    assert float(measured["visard_tokens_expiring"]) == 1


def test_from_the_start() -> None:
    """A counter that appears with its first event has not increased, to Prometheus: endings are there before any."""
    rendered = Metrics("1", "digest").render().decode()
    for outcome, fidelity in (("granted", "exact"), ("granted", "generative"), ("denied", "none"), ("failed", "none")):
        assert f'visard_recoveries_total{{fidelity="{fidelity}",outcome="{outcome}"}} 0.0' in rendered
