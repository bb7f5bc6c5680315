"""From the environment to tracing."""

from collections.abc import Mapping

from service.errors import SettingsInvalid
from service.tracing.asked import exporters_asked_for
from service.tracing.tracing import OFF, Tracing


def open_tracing(environment: Mapping[str, str], version: str) -> Tracing:
    """As the standard variables ask for; the libraries that make spans are loaded only then.

    Raises:
        SettingsInvalid: they ask for what there is not, or for what is not installed.
    """
    asked = exporters_asked_for(environment)
    if not asked:
        return OFF
    try:
        from service.tracing.spans import SpanTracing, exporter
    except ImportError as error:
        raise SettingsInvalid(
            "OTEL_ variables ask for traces, and OpenTelemetry is not installed: pip install 'visard[otel]', "
            "or set OTEL_SDK_DISABLED=true"
        ) from error
    return SpanTracing([exporter(name) for name in asked], version)
