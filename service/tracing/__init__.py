"""Traces of requests, for OpenTelemetry; none unless its standard environment variables ask for them."""

from service.tracing.asked import exporters_asked_for
from service.tracing.opening import open_tracing
from service.tracing.tracing import OFF, RequestTrace, Tracing

__all__ = ["OFF", "RequestTrace", "Tracing", "exporters_asked_for", "open_tracing"]
