"""A log as JSON lines: one entry a line, the newest checkpoint last. Enough to verify it anywhere."""

import base64
import json
from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import Any

from service.audit.stored import StoredEntry, StoredLog
from service.errors import AuditExportDamaged


def export_lines(log: StoredLog) -> Iterator[str]:
    """The lines of an export, without line ends. A body that is no text any more is written in base64."""
    for entry in log.entries:
        yield json.dumps(
            {
                "tenant": log.tenant,
                "index": entry.index,
                **_body(entry.body),
                "proof": base64.b64encode(entry.proof).decode(),
                "checkpoint": entry.checkpoint,
            }
        )
    yield json.dumps({"tenant": log.tenant, "checkpoint": log.checkpoint})


def read_export(lines: Iterable[str]) -> StoredLog:
    """Read an export back; what it says is still to be verified.

    Raises:
        AuditExportDamaged: a line is none of an export, there are two tenants, the entries are not in the order of
            their indices, or the last line is missing.
    """
    entries: list[StoredEntry] = []
    names: set[str] = set()
    end: dict[str, Any] | None = None
    for number, line in enumerate(lines, start=1):
        try:
            fields = json.loads(line)
            names.add(_string(fields["tenant"]))
            if end is not None or len(names) > 1:
                raise ValueError
            if "index" in fields:
                entries.append(_entry(fields))
            else:
                end = fields
        except (ValueError, KeyError, TypeError, RecursionError):
            raise AuditExportDamaged(f"line {number} is not one of an audit export") from None
    indices = [entry.index for entry in entries if entry.index is not None]
    # Out of order, the history could not be recomputed, and two signed ones mixed would pass for one.
    if any(one >= next_one for one, next_one in pairwise(indices)):
        raise AuditExportDamaged("the entries of the audit export are not in order")
    if end is None or not isinstance(end.get("checkpoint"), str | None):
        raise AuditExportDamaged("the audit export ends without its checkpoint")
    return StoredLog(names.pop(), entries, end["checkpoint"])


def _body(body: bytes) -> dict[str, str]:
    try:
        return {"body": body.decode()}
    except UnicodeDecodeError:
        return {"body_base64": base64.b64encode(body).decode()}


def _entry(fields: dict[str, Any]) -> StoredEntry:
    index = fields["index"]
    if not isinstance(index, int | None):
        raise TypeError
    text = fields.get("body")
    body = base64.b64decode(fields["body_base64"], validate=True) if text is None else _string(text).encode()
    proof = base64.b64decode(fields["proof"], validate=True)
    return StoredEntry(index, body, proof, _string(fields["checkpoint"]))


def _string(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value
