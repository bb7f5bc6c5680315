"""What another part does not do now, it may do in a moment."""

import time
from collections.abc import Callable
from typing import TypeVar

from service.errors import Unavailable

_T = TypeVar("_T")
_PAUSES_S = (0.5, 2.0, 8.0)


def patiently(call: Callable[[], _T]) -> _T:
    """What ``call`` returns, in the end.

    Raises:
        Unavailable: it came to nothing the last time too.
    """
    for pause_s in _PAUSES_S:
        try:
            return call()
        except Unavailable:
            time.sleep(pause_s)
    return call()
