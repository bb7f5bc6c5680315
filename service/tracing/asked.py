"""What the standard environment variables ask for (OpenTelemetry specification, environment variables)."""

from collections.abc import Mapping

from service.errors import SettingsInvalid

_EXPORTER = "OTEL_TRACES_EXPORTER"
_ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
_PROTOCOLS = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
_SPOKEN = "http/protobuf"
_KNOWN = ("otlp", "console")


def exporters_asked_for(environment: Mapping[str, str]) -> tuple[str, ...]:
    """Where traces go: ``otlp``, ``console``, both, or nowhere.

    The specification would export by default. Here somebody has to ask: by naming exporters, or an endpoint.

    Raises:
        SettingsInvalid: an exporter or a protocol that there is not.
    """
    if environment.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return ()
    default = "otlp" if any(environment.get(name) for name in _ENDPOINTS) else "none"
    names = (environment.get(_EXPORTER) or default).split(",")
    asked = tuple(dict.fromkeys(name.strip().lower() for name in names if name.strip().lower() != "none"))
    if not set(asked) <= set(_KNOWN):
        raise SettingsInvalid(f"{_EXPORTER}: {', '.join(_KNOWN)} or none")
    if "otlp" in asked:
        _require_protocol(environment)
    return asked


def _require_protocol(environment: Mapping[str, str]) -> None:
    name = next((name for name in _PROTOCOLS if environment.get(name)), None)
    if name is not None and environment[name].strip().lower() != _SPOKEN:
        raise SettingsInvalid(f"{name}: {_SPOKEN} is the one that is spoken")
