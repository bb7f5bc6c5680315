"""Rules do what their names say, and neither they nor the dashboard speak of what is not measured."""

import json
import re
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from numpy.typing import NDArray

from service.metrics import Metrics
from service.settings import Settings
from tests.certificates import written
from tests.deploy.prometheus import SHIPPED, Prometheus, binary, scraping
from tests.files import encoded
from tests.serving import ANALYTIC, Installation, serving

_ROOT = Path(__file__).parents[2]
_RULES = [rule for file in sorted(SHIPPED.glob("rules/*.yml")) for group in yaml.safe_load(file.read_text())["groups"]
          for rule in group["rules"]]  # fmt: skip
_TESTS = sorted(SHIPPED.glob("tests/*_test.yml"))
_ALERTS = [rule for rule in _RULES if "alert" in rule]
_DASHBOARD = json.loads((_ROOT / "deploy/grafana/dashboards/visard.json").read_text())
_SHOWN = [(panel["title"], target["expr"]) for panel in _DASHBOARD["panels"] for target in panel["targets"]]
_LABELS = re.compile(r'"[^"]*"|\{[^}]*\}|\[[^\]]*\]|\b(?:by|without|on|ignoring)\s*\([^)]*\)')
_FUNCTION = re.compile(r"\b[a-z_]+(?=\s*\()")
_NAME = re.compile(r"(?<![\w:.])[a-zA-Z_:][\w:]*")
_WORDS = {"and", "or", "unless", "offset"}


def metrics_of(expression: str) -> set[str]:
    """The names of metrics in a PromQL expression."""
    without_labels = _LABELS.sub(" ", expression)
    return {*_NAME.findall(_FUNCTION.sub(" ", without_labels))} - _WORDS


def test_names_are_found_in_expressions() -> None:
    expression = 'sum by (a, le) (rate(b_total{c=~"d|e", f="g"}[5m])) / (h:i:j offset 1d or vector(0)) > 1e3'
    assert metrics_of(expression) == {"b_total", "h:i:j"}


@pytest.mark.parametrize(
    "arguments",
    [("check", "config", "prometheus.yml"), *(("test", "rules", str(file)) for file in _TESTS)],
    ids=["configuration", *(file.stem for file in _TESTS)],
)
def test_promtool_is_content(arguments: tuple[str, ...]) -> None:
    done = subprocess.run([binary("promtool"), *arguments], cwd=SHIPPED, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_where_alerts_go_is_to_be_filled_in(tmp_path: Path) -> None:
    text = re.sub(r"^# (?=alerting:| )", "", (SHIPPED / "prometheus.yml").read_text(), flags=re.MULTILINE)
    assert yaml.safe_load(text)["alerting"]["alertmanagers"]
    (tmp_path / "prometheus.yml").write_text(text)
    command = [binary("promtool"), "check", "config", "--syntax-only", tmp_path / "prometheus.yml"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_what_is_slow_is_a_bound_of_the_histogram() -> None:
    """Between two bounds a quantile is a guess, and above the last there is none."""
    metrics = Metrics("1", "digest")
    metrics.answered("/v1/anonymize", 200, 1.0)
    *bounds, last = map(float, re.findall(r'request_duration_seconds_bucket{le="([\d.]+)"', metrics.render().decode()))
    (slow,) = (alert for alert in _ALERTS if alert["alert"] == "VisardSlow")
    assert float(slow["expr"].rpartition(">")[2]) in bounds
    assert last == 1000


def test_every_alert_is_tested_and_has_a_runbook() -> None:
    cases = [case for file in _TESTS for case in yaml.safe_load(file.read_text())["tests"]]
    fired = {check["alertname"] for case in cases for check in case.get("alert_rule_test", []) if check["exp_alerts"]}
    assert fired == {alert["alert"] for alert in _ALERTS}
    headings = re.findall(r"^### (\w+)$", (_ROOT / "docs/operations.md").read_text(), re.MULTILINE)
    for alert in _ALERTS:
        assert alert["alert"] in headings
        assert alert["annotations"]["runbook"] == f"docs/operations.md#{alert['alert'].lower()}"


@pytest.fixture(scope="module")
def prometheus(
    tmp_path_factory: pytest.TempPathFactory, small_bundle: Path, portrait: NDArray[np.uint8]
) -> Iterator[Prometheus]:
    """Scrapes a service that had something of everything to do."""
    folder = tmp_path_factory.mktemp("prometheus")
    installation = Installation.make(Settings(home=folder / "home", weights=small_bundle))
    photo = encoded(portrait)
    certificate = written(folder / "ca.pem", datetime.now(UTC) + timedelta(days=30))
    with (
        serving(installation, ANALYTIC, VISARD_VAULT_CA=str(certificate)) as service,
        scraping(service.url.removeprefix("http://"), folder) as server,
    ):
        server.wait_for('visard_requests_total{route="/metrics"}')

        def work() -> None:
            image = service.post("/v1/anonymize", "all", photo).raise_for_status().content
            for fidelity in ("best", "generative"):
                service.post("/v1/recover", "all", image, reason="test", fidelity=fidelity).raise_for_status()

        work()
        # A rate takes two scrapes that saw the metric, and what is to be seen between them.
        server.wait_for('count_over_time(visard_requests_total{route="/v1/recover"}[1m]) > 1')
        work()
        server.wait_for('visard:requests:rate5m{route="/v1/recover"} > 0')
        yield server


@pytest.mark.parametrize("rule", _RULES, ids=lambda rule: rule.get("record") or rule["alert"])
def test_every_metric_of_a_rule_exists(rule: dict[str, Any], prometheus: Prometheus) -> None:
    named = metrics_of(rule["expr"])
    assert named
    for metric in named:
        prometheus.wait_for(metric)
    if "record" in rule:
        prometheus.wait_for(rule["record"])


@pytest.mark.parametrize(("title", "expression"), _SHOWN)
def test_every_panel_shows_something(title: str, expression: str, prometheus: Prometheus) -> None:
    assert all(np.isfinite(float(series["value"][1])) for series in prometheus.wait_for(expression)), title


def test_prometheus_evaluates_every_rule(prometheus: Prometheus) -> None:
    rules = prometheus.rules()
    assert {rule["name"] for rule in rules} == {rule.get("record") or rule["alert"] for rule in _RULES}
    assert [rule["lastError"] for rule in rules if rule["health"] == "err"] == []


def test_a_service_that_is_well_raises_no_alert(prometheus: Prometheus) -> None:
    prometheus.wait_for("visard:recoveries:rate15m")
    assert [alert["metric"]["alertname"] for alert in prometheus.query('ALERTS{alertstate="firing"}')] == []
    assert {rule["name"] for rule in prometheus.rules() if "alerts" in rule} >= {alert["alert"] for alert in _ALERTS}


def test_the_dashboard_can_be_provisioned() -> None:
    grafana = _ROOT / "deploy/grafana/provisioning"
    (source,) = yaml.safe_load((grafana / "datasources/prometheus.yml").read_text())["datasources"]
    (provider,) = yaml.safe_load((grafana / "dashboards/visard.yml").read_text())["providers"]
    assert provider["type"] == "file" and provider["options"]["path"]
    used = {target["datasource"]["uid"] for panel in _DASHBOARD["panels"] for target in panel["targets"]}
    assert used == {source["uid"]}
    assert len({panel["id"] for panel in _DASHBOARD["panels"]}) == len(_DASHBOARD["panels"])
