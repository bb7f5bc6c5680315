"""Entries for the tests of this room, and a signer."""

import json
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import Engine

from service.audit.checkpoint import Checkpoint
from service.audit.entry import Outcome, RecoveryAttempt, Result
from service.audit.log import AuditLog
from service.audit.signing import LocalSigner
from service.audit.stored import StoredEntry, stored_log
from service.audit.verify import Finding, verify_entries

TIME = datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=UTC)
ORIGIN = "visard/acme"
SIGNER = LocalSigner(Ed25519PrivateKey.from_private_bytes(b"\x07" * 32))


class NamedByRoots:
    """Histories of checkpoints that were made up: those of one root are of one history."""

    def continues(self, tenant: str, earlier: Checkpoint, later: Checkpoint) -> bool:
        """Whether the roots are the same."""
        return earlier.root == later.root


def attempt(tenant: str = "acme", **changes: Any) -> RecoveryAttempt:
    fields: dict[str, Any] = {
        "id": uuid4(),
        "tenant": tenant,
        "subject": "alice",
        "reason": "a theft",
        "case": "7/26",
        "record": uuid4(),
        "image_digest": bytes(32),
        "request": "r-1",
        "client": "cli",
        "time": TIME,
    }
    return RecoveryAttempt(**(fields | changes))


def outcome(of: UUID) -> Outcome:
    return Outcome(attempt=of, time=TIME, result=Result.DENIED, detail="wrong-key")


def fill(log: AuditLog, entries: int, tenant: str = "acme") -> None:
    """Append this many entries: intents, each followed by its outcome while there is room."""
    for _ in range(entries // 2):
        made = attempt(tenant)
        log.intend(made)
        log.conclude(outcome(made.id))
    if entries % 2:
        log.intend(attempt(tenant))


def entries(database: Engine, tenant: str = "acme") -> list[StoredEntry]:
    """All of one log, oldest first."""
    with stored_log(database, tenant) as log:
        return list(log.entries)


def bodies(database: Engine, tenant: str = "acme") -> list[dict[str, Any]]:
    """What they say."""
    return [json.loads(entry.body) for entry in entries(database, tenant)]


def findings(database: Engine, *outside: str, tenant: str = "acme") -> list[Finding]:
    with stored_log(database, tenant) as log:
        return verify_entries(log, f"visard/{tenant}", SIGNER.public_key, *outside)
