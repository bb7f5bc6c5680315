"""Domain errors to exit codes."""

from collections.abc import Iterable

from service.errors import (
    BadInput,
    BundleInvalid,
    CheckpointUrlInvalid,
    DatabaseUrlInvalid,
    NotForProduction,
    Refused,
    SettingsInvalid,
    VisardError,
)

DONE, FAULT, BAD_INPUT, REFUSED = 0, 1, 2, 3

# To the service they are faults of its own; to the command line they are what its caller gave it.
_GIVEN = (SettingsInvalid, BundleInvalid, CheckpointUrlInvalid, DatabaseUrlInvalid)


def exit_code(error: VisardError) -> int:
    """2 for bad input and bad settings, 3 for a refusal, 1 for everything else."""
    if isinstance(error, (BadInput, *_GIVEN)):
        return BAD_INPUT
    return REFUSED if isinstance(error, Refused | NotForProduction) else FAULT


def worst(codes: Iterable[int]) -> int:
    """One exit code for many images: a fault outweighs a refusal, a refusal outweighs bad input."""
    return min(codes, key=[FAULT, REFUSED, BAD_INPUT, DONE].index, default=DONE)
