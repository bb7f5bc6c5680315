"""Domain errors to exit codes."""

from collections.abc import Iterable

from service.errors import BadInput, Refused, VisardError

DONE, FAULT, BAD_INPUT, REFUSED = 0, 1, 2, 3


def exit_code(error: VisardError) -> int:
    """2 for bad input, 3 for a refusal, 1 for everything else."""
    if isinstance(error, BadInput):
        return BAD_INPUT
    return REFUSED if isinstance(error, Refused) else FAULT


def worst(codes: Iterable[int]) -> int:
    """One exit code for many images: a fault outweighs a refusal, a refusal outweighs bad input."""
    return min(codes, key=[FAULT, REFUSED, BAD_INPUT, DONE].index, default=DONE)
