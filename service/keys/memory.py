"""Keeping keys out of core dumps and out of sight of other processes, where the platform allows."""

import ctypes
import mmap
import resource
import sys

_PR_SET_DUMPABLE = 4


class SecretPage:
    """A key in pages of its own that no core dump includes on Linux, and that can be overwritten."""

    def __init__(self, secret: bytes) -> None:
        self._page = mmap.mmap(-1, mmap.PAGESIZE)
        if hasattr(mmap, "MADV_DONTDUMP"):
            self._page.madvise(mmap.MADV_DONTDUMP)
        self._page[: len(secret)] = secret
        self._length = len(secret)

    def __repr__(self) -> str:
        return "SecretPage(***)"

    def read(self) -> bytes:
        """The key, as a short-lived copy; zeros once it was wiped."""
        return self._page[: self._length]

    def wipe(self) -> None:
        """Overwrite the key."""
        self._page[: self._length] = bytes(self._length)


def forbid_core_dumps() -> None:
    """For this process: no core dumps, and on Linux no debugger of the same user either."""
    _, hardest = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (0, hardest))
    if sys.platform == "linux":
        # The limit does not hold for dumps that are piped to a collector; this does.
        ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
