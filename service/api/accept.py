"""Content negotiation, as far as it is needed here: an image, or JSON."""

_JSON = "application/json"


def wants_json(accept: str) -> bool:
    """Whether an ``Accept`` header (RFC 9110, section 12.5.1) prefers JSON to an image; wildcards ask for the image."""
    weights = dict(map(_weighed, accept.split(",")))
    image = max((q for kind, q in weights.items() if kind.startswith("image/")), default=0.0)
    return weights.get(_JSON, 0.0) > image


def _weighed(range_: str) -> tuple[str, float]:
    kind, *parameters = (part.strip().lower() for part in range_.split(";"))
    for parameter in parameters:
        if parameter.startswith("q="):
            return kind, _quality(parameter[2:])
    return kind, 1.0


def _quality(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0
