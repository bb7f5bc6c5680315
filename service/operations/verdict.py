"""How the audit log names the end of an attempt."""

from service.audit.entry import Result
from service.errors import BadInput, Refused, Unavailable, VisardError, code_of

_RESULTS: tuple[tuple[type[VisardError], Result], ...] = (
    (BadInput, Result.INVALID),
    (Refused, Result.DENIED),
    (Unavailable, Result.FAILED),
)


def verdict(error: BaseException) -> tuple[Result, str]:
    """The result and the stable code of an error: ``RecordMismatch`` is ``record-mismatch``."""
    for kind, result in _RESULTS:
        if isinstance(error, kind):
            return result, code_of(type(error))
    return Result.FAILED, "fault"
