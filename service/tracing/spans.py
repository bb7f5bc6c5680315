"""Spans of OpenTelemetry: one for each request, and one below it for each phase.

Their attributes are the method, the route's template, the status and the code of a problem: nothing that a caller
wrote, no tenant, no subject, no record. The path and the client's address, which the semantic conventions would add,
are left out for that reason.
"""

import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from opentelemetry import context, trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, ConsoleSpanExporter, SpanExporter
from opentelemetry.trace import Span, SpanKind, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

_CLOSING_S = 5.0
_METHODS = frozenset(("GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH", "QUERY"))
_OTHER = "_OTHER"
_NS = 1_000_000_000
_w3c = TraceContextTextMapPropagator()


class SpanTracing:
    """See ``Tracing``. Sampler, limits, batches and the exporter are set by the standard variables."""

    def __init__(self, exporters: Sequence[SpanExporter], version: str) -> None:
        """Start a thread that exports.

        Args:
            exporters: all of them get every span.
            version: of the service.
        """
        self._provider = TracerProvider(resource=_resource(version), shutdown_on_exit=False)
        for exporter in exporters:
            self._provider.add_span_processor(BatchSpanProcessor(exporter))
        self._tracer = self._provider.get_tracer("visard", version)

    @contextmanager
    def request(self, headers: Mapping[str, str]) -> Iterator["_RequestSpan"]:
        """A span of a server, below the caller's if ``traceparent`` names one."""
        caller = _w3c.extract({name: headers[name] for name in _w3c.fields if name in headers})
        span = self._tracer.start_span("request", context=caller, kind=SpanKind.SERVER)
        token = context.attach(trace.set_span_in_context(span))
        try:
            yield _RequestSpan(span)
        finally:
            context.detach(token)
            span.end()

    def spent(self, phase: str, seconds: float) -> None:
        """A span that ends now, below that of the request."""
        if not trace.get_current_span().is_recording():
            return
        end = time.time_ns()
        self._tracer.start_span(phase, start_time=end - round(seconds * _NS)).end(end)

    def close(self) -> None:
        """Export what is left; a collector that does not answer holds nothing up for long."""
        closing = threading.Thread(target=self._provider.shutdown, name="visard-traces", daemon=True)
        closing.start()
        closing.join(_CLOSING_S)


class _RequestSpan:
    def __init__(self, span: Span) -> None:
        self._span = span

    @property
    def id(self) -> str:
        return trace.format_trace_id(self._span.get_span_context().trace_id)

    def answered(self, method: str, route: str, status: int, problem: str | None) -> None:
        shown = method if method in _METHODS else _OTHER
        self._span.update_name(f"{shown} {route}")
        self._span.set_attributes(
            {"http.request.method": shown, "http.route": route, "http.response.status_code": status}
        )
        if problem is not None:
            self._span.set_attribute("error.type", problem)
        if status >= 500:
            self._span.set_status(Status(StatusCode.ERROR))


def exporter(name: str) -> SpanExporter:
    """One of those that ``exporters_asked_for`` knows."""
    return OTLPSpanExporter() if name == "otlp" else ConsoleSpanExporter()


def _resource(version: str) -> Resource:
    """Who we are; ``OTEL_SERVICE_NAME`` and ``OTEL_RESOURCE_ATTRIBUTES`` know better."""
    ours = Resource({"service.name": "visard", "service.version": version})
    return Resource.create().merge(ours).merge(OTELResourceDetector().detect())
