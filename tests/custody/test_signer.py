"""The audit log's key in Vault: the log is as with a file, and without a signature nothing is recovered."""

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from service.audit.stored import stored_log
from service.audit.verify import Severity, verify_entries
from service.datastore import open_database
from service.settings import Settings
from service.signer import audit_public_key
from tests.api.conftest import TENANT, Service, assert_problem, pixels_of
from tests.custody.conftest import Start, photo, picture, recover
from tests.vault.running import Double

DEADLINE_S = 2
SLACK = 5
"""A busy machine may take this many times longer; without a deadline it takes as long as Vault hangs."""


@pytest.fixture
def key(vault_double: Double, tmp_path: Path) -> str:
    """A key of this test's own, made by an administrator."""
    name = f"log-{tmp_path.name}"
    vault_double.ask("POST", f"{vault_double.transit}/keys/{name}", {"type": "ed25519"})
    return name


@pytest.fixture
def service(mode: str, start: Start, vault_double: Double, key: str) -> Service:
    mount = vault_double.transit
    return start(
        mode,
        audit_signer="vault",
        audit_vault_mount=mount,
        audit_vault_key=key,
        audit_timeout=DEADLINE_S,
        vault_timeout=30.0,
        vault_retries=0,
    )


@pytest.fixture
def made(service: Service) -> bytes:
    answer = service.post("/v1/anonymize", "all", photo(1))
    assert answer.status_code == 200
    return answer.content


@pytest.fixture
def fetched(service: Service, made: bytes, monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """Every key of a record that is asked for from now on."""
    keys, asked = type(service.desk.parts.keys), list[object]()
    real: Callable[..., bytes] = keys.record_key

    def record_key(*arguments: object) -> bytes:
        asked.append(arguments[1:])
        return real(*arguments)

    monkeypatch.setattr(keys, "record_key", record_key)
    return asked


def test_a_log_signed_in_vault_is_verified_with_the_key_vault_names(
    service: Service, made: bytes, vault_double: Double, key: str
) -> None:
    back = service.post("/v1/recover", "all", made, reason="test")
    assert np.array_equal(pixels_of(back.content), picture(1))
    assert service.request("GET", "/readyz").json()["parts"]["signer"] == "ok"
    settings = _settings(service, vault_double, key)
    public_key = audit_public_key(settings)
    assert public_key is not None
    database = open_database(settings)
    with stored_log(database, TENANT) as log:
        found = verify_entries(log, f"visard/{TENANT}", public_key)
    database.dispose()
    assert [entry["kind"] for entry in service.entries()] == ["intent", "outcome"]
    assert not any(finding.severity is Severity.TAMPERING for finding in found)
    assert not list(settings.home.glob("*.pem"))


def test_without_a_signature_nothing_is_recovered(
    service: Service, made: bytes, fetched: list[object], vault_double: Double, key: str
) -> None:
    before = len(service.entries())
    path = f"{vault_double.transit}/keys/{key}"
    vault_double.ask("POST", f"{path}/rotate", {})
    vault_double.ask("POST", f"{path}/config", {"min_encryption_version": 2})
    assert_problem(recover(service, made), 503, "audit-unavailable")
    assert (fetched, len(service.entries())) == ([], before)
    assert service.post("/v1/anonymize", "all", photo(2)).status_code == 200
    vault_double.ask("POST", f"{path}/config", {"min_encryption_version": 0})
    assert recover(service, made).status_code == 200
    assert fetched


def test_a_vault_that_hangs_while_it_should_sign(
    service: Service, made: bytes, fetched: list[object], vault_double: Double
) -> None:
    assert recover(service, made).status_code == 200
    fetched.clear()
    before = len(service.entries())
    vault_double.fault("delay", times=1000, seconds=DEADLINE_S * SLACK + 5)
    began = time.monotonic()
    answer = recover(service, made)
    assert time.monotonic() - began < DEADLINE_S * SLACK
    assert_problem(answer, 503, "audit-unavailable")
    assert answer.headers["retry-after"]
    ready = service.request("GET", "/readyz")
    assert (ready.status_code, ready.json()["parts"]["signer"]) == (503, "unavailable")
    assert (fetched, len(service.entries())) == ([], before)
    vault_double.heal()
    assert recover(service, made).status_code == 200


def _settings(service: Service, vault: Double, key: str) -> Settings:
    """What a command on this installation would have."""
    home = Path(str(service.desk.parts.audit._engine.url.database)).parent
    where = {"audit_vault_mount": vault.transit, "audit_vault_key": key}
    login = {"vault_addr": vault.url, "vault_auth": "token", "vault_token": vault.token}
    return Settings(home=home, audit_signer="vault", **where, **login)
