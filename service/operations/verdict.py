"""How the audit log names the end of an attempt."""

from service.audit.entry import Result
from service.errors import BadInput, Refused, Unavailable

_RESULTS: tuple[tuple[type[BaseException], Result], ...] = (
    (BadInput, Result.INVALID),
    (Refused, Result.DENIED),
    (Unavailable, Result.FAILED),
)


def verdict(error: BaseException) -> tuple[Result, str]:
    """The result and the stable code of an error: ``RecordMismatch`` is ``record-mismatch``."""
    for kind, result in _RESULTS:
        if isinstance(error, kind):
            name = type(error).__name__
            return result, "".join(f"-{c.lower()}" if c.isupper() else c for c in name).strip("-")
    return Result.FAILED, "fault"
