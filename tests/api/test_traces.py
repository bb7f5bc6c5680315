"""Traces: what a real collector of OTLP receives, and when there is none."""

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from service.errors import SettingsInvalid
from service.settings import Settings
from service.tracing import OFF, exporters_asked_for, open_tracing
from tests.api.collector import Collector, collecting
from tests.api.conftest import OTHER, TENANT
from tests.serving import ANALYTIC, PATIENCE_S, Installation, Process, serving

TRACE, CALLER = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
REASON, CASE, REQUEST = "a very private reason", "case-4711", "request-of-ada"
ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"


@dataclass
class Traced:
    """A service that came, answered and went, and what was heard of it."""

    collector: Collector
    service: Process
    anonymized: httpx.Response
    recovered: httpx.Response

    def request(self, name: str) -> Span:
        (found,) = (span for span in self.collector.spans() if span.name == name)
        return found

    def below(self, parent: Span) -> list[Span]:
        spans = [span for span in self.collector.spans() if span.parent_span_id == parent.span_id]
        assert all(span.trace_id == parent.trace_id for span in spans)
        return sorted(spans, key=lambda span: span.start_time_unix_nano)


@pytest.fixture(scope="module")
def traced(tmp_path_factory: pytest.TempPathFactory, small_bundle: Path, photo: bytes) -> Iterator[Traced]:
    installation = Installation.make(Settings(home=tmp_path_factory.mktemp("traced") / "home", weights=small_bundle))
    asked = {"OTEL_SERVICE_NAME": "faces", "OTEL_RESOURCE_ATTRIBUTES": "deployment.environment=test"}
    # FastAPI has traces, metrics and logs of its own, which say too much.
    asked["FASTAPI_OTEL_AUTO_CONFIGURE"] = "true"
    with collecting() as collector:
        with serving(installation, ANALYTIC, **{ENDPOINT: collector.url}, **asked) as service:
            made = _post(service, "/v1/anonymize", photo, traceparent=f"00-{TRACE}-{CALLER}-01")
            back = _post(service, "/v1/recover", made.content, reason=REASON, case=CASE, fidelity="generative")
            _post(service, "/v1/recover", photo, reason=REASON)
            service.get(f"/v1/records/{made.headers['x-visard-record']}")
            service.get("/nowhere/of/ours")
            service.process.terminate()
            assert service.process.wait(PATIENCE_S) == 0
        yield Traced(collector, service, made, back)


def _post(service: Process, path: str, image: bytes, traceparent: str | None = None, **fields: str) -> httpx.Response:
    headers = service.bearer("all") | {"X-Request-Id": REQUEST}
    headers |= {} if traceparent is None else {"traceparent": traceparent}
    return httpx.post(
        service.url + path, headers=headers, data=fields, files={"image": image}, timeout=PATIENCE_S, trust_env=False
    )


def test_a_request_continues_its_callers_trace(traced: Traced) -> None:
    span = traced.request("POST /v1/anonymize")
    assert (span.trace_id.hex(), span.parent_span_id.hex()) == (TRACE, CALLER)
    assert span.kind == Span.SPAN_KIND_SERVER
    other = traced.request("GET /v1/records/{id}")
    assert other.trace_id.hex() != TRACE and not other.parent_span_id


@pytest.mark.parametrize(
    ("name", "phases"),
    [
        ("POST /v1/anonymize", {"decode", "detect", "key", "queue", "solve", "encode"}),
        ("POST /v1/recover", {"decode", "key", "queue", "solve", "encode"}),
    ],
)
def test_its_phases_are_below_it(name: str, phases: set[str], traced: Traced) -> None:
    span = next(span for span in traced.collector.spans() if span.name == name and traced.below(span))
    below = traced.below(span)
    assert {phase.name for phase in below} == phases
    assert [phase.name for phase in below].index("queue") < [phase.name for phase in below].index("solve")
    for phase in below:
        assert phase.start_time_unix_nano <= phase.end_time_unix_nano <= span.end_time_unix_nano


def test_how_it_ended_is_told(traced: Traced) -> None:
    def attributes(span: Span) -> dict[str, object]:
        return {entry.key: entry.value.string_value or entry.value.int_value for entry in span.attributes}

    assert attributes(traced.request("POST /v1/anonymize")) == {
        "http.request.method": "POST",
        "http.route": "/v1/anonymize",
        "http.response.status_code": 200,
    }
    refused = [attributes(span) for span in traced.collector.spans() if span.name == "POST /v1/recover"][1]
    assert (refused["http.response.status_code"], refused["error.type"]) == (404, "record-unknown")
    assert all(span.status.code == Status.STATUS_CODE_UNSET for span in traced.collector.spans())


def test_who_sent_it_is_named_as_asked(traced: Traced) -> None:
    who = traced.collector.resource()
    assert (who["service.name"], who["deployment.environment"]) == ("faces", "test")
    assert traced.collector.paths == {"/v1/traces"}


def test_log_lines_name_the_trace(traced: Traced) -> None:
    lines = [json.loads(line) for line in traced.service.lines]
    access = [line for line in lines if line["message"] == "request"]
    assert [line["trace"] for line in access if line["route"] == "/v1/anonymize"] == [TRACE]
    assert {line["trace"] for line in access} == {span.trace_id.hex() for span in traced.collector.spans()}


def test_nothing_that_somebody_wrote_owns_or_shows_leaves_with_a_trace(traced: Traced, photo: bytes) -> None:
    said = b"".join(traced.collector.bodies)
    words = [
        TENANT,
        OTHER,
        REASON,
        CASE,
        REQUEST,
        "auditor",
        "127.0.0.1",
        "nowhere",
        *traced.service.installation.tokens.values(),
    ]
    words += [traced.anonymized.headers["x-visard-record"], traced.recovered.headers["x-visard-audit"]]
    words += [str(traced.service.installation.settings.home)]
    assert [word for word in words if word.encode() in said] == []
    assert photo[200:216] not in said


def test_a_collector_that_is_away_holds_nothing_up(tmp_path: Path, small_bundle: Path, photo: bytes) -> None:
    installation = Installation.make(Settings(home=tmp_path / "home", weights=small_bundle))
    with serving(installation, ANALYTIC, **{ENDPOINT: "http://127.0.0.1:1"}) as service:
        assert service.post("/v1/anonymize", "all", photo).status_code == 200
        service.process.terminate()
        assert service.process.wait(PATIENCE_S) == 0


@pytest.mark.parametrize(
    ("environment", "asked"),
    [
        ({}, ()),
        ({ENDPOINT: ""}, ()),
        ({"OTEL_SERVICE_NAME": "visard"}, ()),
        ({ENDPOINT: "http://collector:4318"}, ("otlp",)),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://collector:4318/v1/traces"}, ("otlp",)),
        ({"OTEL_TRACES_EXPORTER": "otlp"}, ("otlp",)),
        ({"OTEL_TRACES_EXPORTER": "otlp, console"}, ("otlp", "console")),
        ({"OTEL_TRACES_EXPORTER": "none", ENDPOINT: "http://collector:4318"}, ()),
        ({"OTEL_SDK_DISABLED": "true", "OTEL_TRACES_EXPORTER": "otlp"}, ()),
        ({"OTEL_SDK_DISABLED": "false", "OTEL_TRACES_EXPORTER": "otlp"}, ("otlp",)),
        ({"OTEL_TRACES_EXPORTER": "otlp", "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf"}, ("otlp",)),
        # Of metrics and logs, which are not sent.
        ({"OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": "http://collector:4318"}, ()),
    ],
)
def test_traces_are_made_when_the_standard_variables_ask(
    environment: Mapping[str, str], asked: tuple[str, ...]
) -> None:
    assert exporters_asked_for(environment) == asked


@pytest.mark.parametrize(
    ("environment", "named"),
    [
        ({"OTEL_TRACES_EXPORTER": "zipkin"}, "OTEL_TRACES_EXPORTER"),
        ({ENDPOINT: "http://collector:4317", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, "OTEL_EXPORTER_OTLP_PROTOCOL"),
        (
            {"OTEL_TRACES_EXPORTER": "otlp", "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "http/json"},
            "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL",
        ),
    ],
)
def test_what_there_is_not_is_refused(environment: Mapping[str, str], named: str) -> None:
    with pytest.raises(SettingsInvalid, match=named):
        open_tracing(environment, "1")


def test_without_the_extra_it_is_said_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "service.tracing.spans", raising=False)
    for name in [*sys.modules, "opentelemetry.sdk"]:
        if name.startswith("opentelemetry.sdk"):
            monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(SettingsInvalid, match=r"visard\[otel\]"):
        open_tracing({"OTEL_TRACES_EXPORTER": "otlp"}, "1")
    assert open_tracing({}, "1") is OFF


def test_nothing_is_loaded_that_was_not_asked_for() -> None:
    program = "import sys, service.app; sys.exit(any(name.startswith('opentelemetry.sdk') for name in sys.modules))"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
