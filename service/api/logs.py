"""Log lines as JSON objects, each with the id of the request it belongs to."""

import json
import logging
import re
import sys
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from types import TracebackType

REQUEST: ContextVar[str | None] = ContextVar("visard_request", default=None)
"""Id of the request that is being answered."""

TRACE: ContextVar[str | None] = ContextVar("visard_trace", default=None)
"""Id of the trace that it belongs to, if it is traced."""

_OURS = ("visard", "service.")
# Ours, and signed JWTs. Nothing logs them; this is for the day when a library does.
_TOKENS = re.compile(r"visard_[\w-]{43}|eyJ[\w-]+\.[\w-]+\.[\w-]*")
_log = logging.getLogger("visard.process")


@contextmanager
def about(request: str, trace: str | None) -> Iterator[None]:
    """Lines logged in the block name this request, and its trace if there is one."""
    tokens = REQUEST.set(request), TRACE.set(trace)
    try:
        yield
    finally:
        REQUEST.reset(tokens[0])
        TRACE.reset(tokens[1])


class JsonLines(logging.Formatter):
    """One object per line; of an exception its kind and place, never its text, which may hold anything."""

    def format(self, record: logging.LogRecord) -> str:
        """Render a record."""
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": _message(record),
        }
        line |= {name: value for name, value in (("request", REQUEST.get()), ("trace", TRACE.get())) if value}
        if record.exc_info and record.exc_info[0]:
            line |= place_of(record.exc_info[0], record.exc_info[2])
        return _TOKENS.sub("***", json.dumps({**line, **getattr(record, "fields", {})}, default=str))


def place_of(kind: type[BaseException], trace: TracebackType | None) -> dict[str, object]:
    """What may be said of an exception: its kind, and the last five places it came through."""
    frames = traceback.extract_tb(trace)[-5:]
    return {"kind": kind.__name__, "where": [f"{frame.name}:{frame.lineno}" for frame in frames]}


def log_to_stderr() -> None:
    """Send everything from INFO up to stderr, warnings and what ends a thread among it."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    logging.captureWarnings(True)
    threading.excepthook = _log_thread
    # These repeat, without our fields, what the request's own line says.
    for chatty in ("httpx", "python_multipart", "alembic", "urllib3"):
        logging.getLogger(chatty).setLevel(logging.ERROR)


def _message(record: logging.LogRecord) -> str:
    """Our own in full; of others' the first line, as asyncio and warnings put foreign texts and code behind it."""
    text = record.getMessage()
    return text if record.name.startswith(_OURS) else next(iter(text.splitlines()), "")


def _log_thread(ended: threading.ExceptHookArgs) -> None:
    _log.error("a thread ended", extra={"fields": place_of(ended.exc_type, ended.exc_traceback)})
