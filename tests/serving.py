"""``visard serve`` as a process of its own, over real HTTP; and callers of two tenants."""

import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
from sqlalchemy import Engine

from service.administration import Access, open_access
from service.audit.stored import stored_log
from service.datastore import migrate, open_database
from service.records.store import RecordStore
from service.settings import Settings
from tests.api.conftest import OTHER, TENANT, make_tokens
from tests.leaks.watch import here, shown

PATIENCE_S = 300
"""Of a client; a busy machine may be slow, and it is not this that a test is about."""
NETWORK, ANALYTIC = "service", "tests.analytic"
"""Modules that are ``visard``: as it is, and with the closed-form denoiser."""
_ROOT = Path(__file__).parents[1]


@dataclass(frozen=True)
class Installation:
    """What outlives the process: a home, a database, two tenants with keys.

    Attributes:
        settings: of the service.
        tokens: by what they are for.
    """

    settings: Settings
    tokens: dict[str, str]

    @classmethod
    def make(cls, settings: Settings) -> "Installation":
        migrate(settings)
        with open_access(settings) as access:
            return cls(settings, populate(access))

    def environment(self) -> dict[str, str]:
        """Of a process that works on it."""
        clean = {name: value for name, value in os.environ.items() if not name.startswith("VISARD_")}
        chosen: dict[str, object] = {"VISARD_HOME": self.settings.home}
        if self.settings.weights is not None:
            chosen["VISARD_WEIGHTS"] = self.settings.weights
        if self.settings.database_url is not None:
            chosen["VISARD_DATABASE_URL"] = self.settings.database_url.get_secret_value()
        return clean | {name: str(value) for name, value in chosen.items()}

    @property
    def checkpoints(self) -> Path:
        """Where checkpoints go outside the database."""
        return self.settings.home / "audit-checkpoints"

    def entries(self, tenant: str = TENANT) -> list[dict[str, Any]]:
        """The audit log."""
        with self._database() as database, stored_log(database, tenant) as log:
            return [json.loads(entry.body) for entry in log.entries]

    @contextmanager
    def _database(self) -> Iterator[Engine]:
        database = open_database(self.settings)
        try:
            yield database
        finally:
            database.dispose()

    def check_log(self, answered: set[str]) -> None:
        """All these attempts are in it with their outcome, and every entry is as it was signed."""
        entries = self.entries()
        intents = {entry["attempt"] for entry in entries if entry["kind"] == "intent"}
        granted = {entry["attempt"] for entry in entries if entry.get("result") == "granted"}
        assert answered <= granted <= intents
        verified = self.visard("audit", "verify", "--checkpoint", self.checkpoints)
        assert (verified.returncode, verified.stderr) == (0, ""), verified.stdout

    def check_records(self, made: set[str]) -> None:
        """All these are there."""
        with self._database() as database:
            records = RecordStore(database)
            missing = [record for record in made if records.by_id(TENANT, UUID(record)) is None]
        assert missing == []

    def visard(self, *arguments: object) -> subprocess.CompletedProcess[str]:
        """Run a command on it."""
        command = [sys.executable, "-m", "service", *map(str, arguments)]
        done = subprocess.run(command, env=self.environment(), cwd=_ROOT, capture_output=True, text=True, check=False)
        if (watch := here()) is not None:
            watch.keep("log", done.stderr.encode())
        return done


def populate(access: Access) -> dict[str, str]:
    """Make both tenants, and one token for each thing that may be wrong, or right."""
    for tenant in (TENANT, OTHER):
        access.tenants.create(tenant)
        access.keys.create(tenant)
    return make_tokens(access.tokens)


@dataclass
class Process:
    """A running service.

    Attributes:
        process: itself.
        url: it listens at.
        installation: it works on.
        lines: of its log, so far.
    """

    process: subprocess.Popen[str]
    url: str
    installation: Installation
    lines: list[str]

    def post(
        self, path: str, token: str, image: bytes | None, idempotency_key: str | None = None, **fields: str
    ) -> httpx.Response:
        """A form; ``token`` by its name."""
        files = {} if image is None else {"image": image}
        headers = self.bearer(token) | ({} if idempotency_key is None else {"Idempotency-Key": idempotency_key})
        return shown(
            httpx.post(self.url + path, headers=headers, data=fields, files=files, timeout=PATIENCE_S, trust_env=False)
        )

    def get(self, path: str) -> httpx.Response:
        return shown(httpx.get(self.url + path, timeout=PATIENCE_S, trust_env=False))

    def bearer(self, token: str) -> dict[str, str]:
        """The header that says who calls."""
        return {"Authorization": f"Bearer {self.installation.tokens[token]}"}


@contextmanager
def serving(installation: Installation, module: str = NETWORK, **settings: str) -> Iterator[Process]:
    """A service that listens; killed behind the block, if it still runs.

    Args:
        module: ``NETWORK`` or ``ANALYTIC``.
        settings: more environment variables.
    """
    process = subprocess.Popen(
        [sys.executable, "-m", module, "serve", "--port", "0"],
        env={**installation.environment(), **settings},
        cwd=_ROOT,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    lines: list[str] = []
    for line in process.stderr:
        lines.append(line)
        if found := re.search(r"listening on (\S+) port (\d+)", line):
            break
    else:
        raise AssertionError("".join(lines))
    reader = threading.Thread(target=lambda: lines.extend(process.stderr or ()))
    reader.start()
    try:
        yield Process(process, f"http://{found[1]}:{found[2]}", installation, lines)
    finally:
        process.kill()
        process.wait()
        reader.join()
        process.stderr.close()
        if (watch := here()) is not None:
            watch.keep("log", "".join(lines).encode())
