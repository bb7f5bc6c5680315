"""Log lines as JSON objects."""

import json
import logging
import sys
import traceback
from datetime import UTC, datetime


class JsonLines(logging.Formatter):
    """One object per line; of an exception its kind and place, never its text, which may hold anything."""

    def format(self, record: logging.LogRecord) -> str:
        """Render a record."""
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info and record.exc_info[0]:
            line["kind"] = record.exc_info[0].__name__
            line["where"] = [f"{frame.name}:{frame.lineno}" for frame in traceback.extract_tb(record.exc_info[2])[-5:]]
        return json.dumps({**line, **getattr(record, "fields", {})}, default=str)


def log_to_stderr() -> None:
    """Send everything from INFO up to stderr."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    # These repeat, without our fields, what the request's own line says.
    for chatty in ("httpx", "python_multipart", "alembic", "urllib3"):
        logging.getLogger(chatty).setLevel(logging.ERROR)
