"""Keys stay where they belong.

Planted ones are looked for in everything that leaves the service: as they are, in hexadecimal and in base64.
"""

import base64
import io
import json
import logging
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from service.api.logs import JsonLines
from service.datastore import migrate
from service.keys.derive import Purpose, subkey
from service.keys.keyfile import KeyFile, StoredKey, replace_key_file
from service.settings import Settings
from tests.api.conftest import TENANT, Service
from tests.custody.conftest import Start, photo
from tests.leaks.search import forms
from tests.leaks.watch import Watch
from tests.vault.running import Double

PASSPHRASE = "planted horse battery staple"  # noqa: S105
PLANTED = b"VISARD-PLANTED-MASTER-KEY-000001"
FAULTS = ("drop", "lose", "delay", "expire", "403", "429", "500", "malformed")


class Overheard:
    """The custodian, and every key it gave out."""

    def __init__(self, real: Any) -> None:
        self.real = real
        self.keys: set[bytes] = set()

    def record_key(self, *arguments: Any) -> bytes:
        key: bytes = self.real.record_key(*arguments)
        self.keys.add(key)
        return key

    def __getattr__(self, name: str) -> Any:
        return getattr(self.real, name)


@pytest.fixture
def logged() -> Iterator[io.StringIO]:
    """Everything anybody logs, at every level, in the product's format and in full."""
    stream = io.StringIO()
    handlers = [logging.StreamHandler(stream) for _ in range(2)]
    handlers[0].setFormatter(JsonLines())
    handlers[1].setFormatter(logging.Formatter("%(name)s %(message)s %(args)s %(exc_info)s"))
    root = logging.getLogger()
    before = root.level
    root.setLevel(logging.DEBUG)
    for handler in handlers:
        root.addHandler(handler)
    yield stream
    root.setLevel(before)
    for handler in handlers:
        root.removeHandler(handler)


@pytest.mark.parametrize("custodian", ["local", "local-passphrase", "kv", "transit"])
def test_nothing_that_leaves_the_service_holds_a_key(
    custodian: str,
    start: Start,
    vault_double: Double,
    approle: dict[str, Any],
    logged: io.StringIO,
    postgres_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With Vault on PostgreSQL, with the local keystore on SQLite."""
    (temp := tmp_path / "temp").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temp))
    monkeypatch.setenv("TMPDIR", str(temp))
    _plant(custodian, vault_double, tmp_path)
    passphrase = PASSPHRASE if custodian == "local-passphrase" else None
    if custodian.startswith("local"):
        service = start("kv", keystore="local", keystore_passphrase=passphrase)
    else:
        migrate(Settings(home=tmp_path / "home", database_url=postgres_url))
        service = start(custodian, vault_timeout=0.5, database_url=postgres_url)
    custody = Overheard(service.desk.parts.keys)
    object.__setattr__(service.desk.parts, "keys", custody)
    shown = _everything(service, vault_double)
    assert not any(vault_double.url.encode() in text for text in shown)
    shown.append(logged.getvalue().encode())
    if not custodian.startswith("local"):
        Watch(tmp_path / "dump").database(postgres_url)
        assert next(tmp_path.glob("dump/shown/*")).stat().st_size > 1000
        service.desk.parts.records._engine.dispose()
        service.desk.parts.audit._engine.dispose()
    # Without a passphrase the keystore's own files are the one place where keys are.
    key_files = tmp_path / "home-kv" / "keys" if custodian == "local" else tmp_path / "none"
    shown += [path.read_bytes() for path in tmp_path.rglob("*") if path.is_file() and key_files not in path.parents]
    secrets = {PLANTED, *custody.keys}
    secrets |= {subkey(key, purpose) for key in custody.keys for purpose in Purpose}
    assert len(secrets) > 10
    wanted = set().union(*map(forms, secrets))
    wanted |= {vault_double.token.encode(), approle["vault_secret_id"].encode(), PASSPHRASE.encode()}
    if not custodian.startswith("local"):
        lease = custody.real._session.lease()
        wanted.add(lease.token.encode())
    assert len(logged.getvalue()) > 1000
    for text in shown:
        assert not any(form in text for form in wanted)


def _plant(custodian: str, vault: Double, tmp_path: Path) -> None:
    if custodian.startswith("local"):
        directory = tmp_path / "home-kv" / "keys"
        directory.mkdir(parents=True, mode=0o700)
        key = StoredKey(version=1, created=datetime.now(UTC), master=PLANTED)
        replace_key_file(directory / f"{TENANT}.json", KeyFile(keys=(key,)))
    if custodian == "kv":
        secret = {"key": base64.b64encode(PLANTED).decode()}
        vault.ask("POST", f"{vault.kv}/data/{tmp_path.name}/{TENANT}/1", {"data": secret})


def _everything(service: Service, vault: Double) -> list[bytes]:
    """What callers and probes get to see while much goes well and everything goes wrong."""
    answers = [service.post("/v1/anonymize", "all", photo(1))]
    made = answers[0].content
    assert answers[0].status_code == 200
    answers.append(service.post("/v1/anonymize", "all", photo(2), headers={"Accept": "application/json"}))
    for kind in (None, *FAULTS):
        if kind == "expire":
            vault.order("expire")
        elif kind is not None:
            vault.fault(kind, times=20, seconds=1)
        answers.append(service.post("/v1/recover", "all", made, reason="test"))
        answers.append(service.post("/v1/recover", "all", made, reason="test", fidelity="generative"))
        answers.append(service.post("/v1/anonymize", "all", photo(3)))
        answers += [service.request("GET", path) for path in ("/readyz", "/metrics")]
        vault.heal()
    keys = service.desk.parts.keys
    keys.rotate(TENANT)
    keys.destroy(TENANT, 1)
    answers.append(service.post("/v1/recover", "all", made, reason="test"))
    assert answers[-1].status_code == 410
    answers.append(service.post("/v1/anonymize", "all", photo(4)))
    entries = json.dumps(service.entries()).encode()
    return [entries, *(answer.content + str(answer.headers).encode() for answer in answers)]
