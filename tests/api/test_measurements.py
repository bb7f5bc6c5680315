"""What is measured, and measurements at a port of their own."""

import socket
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from service.app import create_app
from service.errors import AddressUnusable
from service.metrics import Metrics
from service.settings import Settings
from tests.api.conftest import Service, assert_problem, close


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return int(listening.getsockname()[1])


def test_measurements_are_there_and_nowhere_else(settings_for: Callable[[Path], Settings], tmp_path: Path) -> None:
    port = _free_port()
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


def test_from_the_start(service: Service) -> None:
    """A counter that appears with its first event has not increased, to Prometheus: endings are there before any."""
    text = Metrics("1", "digest").render().decode()
    for outcome, fidelity in (("granted", "exact"), ("granted", "generative"), ("denied", "none"), ("failed", "none")):
        assert f'visard_recoveries_total{{fidelity="{fidelity}",outcome="{outcome}"}} 0.0' in text
    measured = service.request("GET", "/metrics").text
    assert "visard_queue_limit 32.0" in measured
