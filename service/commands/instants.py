"""Points in time, as commands print them."""

from datetime import datetime


def instant(time: datetime | None) -> str | None:
    """ISO 8601, to the second; None stays None."""
    return None if time is None else time.isoformat(timespec="seconds")
