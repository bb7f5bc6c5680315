"""Whether anybody still waits for an answer."""

import threading

from service.errors import CallerGone


def require_caller(gone: threading.Event | None) -> None:
    """Go on only if somebody waits; without ``gone``, which is set once nobody does, somebody always does.

    Raises:
        CallerGone: nobody waits any more.
    """
    if gone is not None and gone.is_set():
        raise CallerGone("the caller did not wait for the answer")
