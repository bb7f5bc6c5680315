"""What a replica says, as a value: an exception would leave its text in the logs of the cluster."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from service import errors
from service.errors import VisardError


@dataclass(frozen=True, slots=True)
class Answer:
    """Results, or the kind of the error and its message.

    Attributes:
        results: None if there is an error.
        error: name of the class.
        message: empty unless the error is one of ours.
    """

    results: list[Any] | None
    error: str = ""
    message: str = ""

    def __repr__(self) -> str:
        return "Answer(***)"


def answer_of(call: Callable[[], list[Any]]) -> Answer:
    """The answer of a call, whatever it does."""
    try:
        return Answer(call())
    except VisardError as error:
        return Answer(None, type(error).__name__, str(error))
    except Exception as error:  # noqa: BLE001
        return Answer(None, type(error).__name__)


def unpacked(answer: Answer) -> list[Any]:
    """The results.

    Raises:
        VisardError: the domain error that the replica met.
        RuntimeError: it met another one.
    """
    if answer.results is not None:
        return answer.results
    kind = getattr(errors, answer.error, None)
    if isinstance(kind, type) and issubclass(kind, VisardError):
        raise kind(answer.message)
    raise RuntimeError(f"a replica failed ({answer.error})")
