"""The service as a role of PostgreSQL that can add audit entries and never change or remove one."""

import shutil
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pydantic import SecretStr
from sqlalchemy import Engine, make_url

from service.app import create_app
from service.database.engine import make_engine, transaction
from service.database.tables import metadata
from service.datastore import migrate
from service.errors import DatabaseUnavailable
from service.operations.upkeep import tidy
from service.settings import Settings
from tests.api.conftest import TENANT, Service, close, make_tenants, make_tokens
from tests.conftest import PostgresServer, own_postgres

SQL = Path(__file__).parents[2] / "deploy" / "postgresql"


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    """Roles are the server's, not a database's: a server of our own."""
    with own_postgres() as running:
        yield running


@pytest.fixture(scope="module")
def url(server: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Of the service's role, after the steps that the files describe."""

    def as_(role: str) -> str:
        return make_url(server.url).set(username=role).render_as_string(hide_password=False)

    _run(server.url, "roles.sql")
    owner = Settings(home=tmp_path_factory.mktemp("owner"), database_url=SecretStr(as_("visard_owner")))
    migrate(owner)
    for _ in range(2):
        _run(as_("visard_owner"), "grants.sql")
    return as_("visard_service")


@pytest.fixture(scope="module")
def limited(url: str, tmp_path_factory: pytest.TempPathFactory, small_bundle: Path) -> Iterator[Service]:
    home = tmp_path_factory.mktemp("limited") / "home"
    settings = Settings(home=home, weights=small_bundle, database_url=SecretStr(url))
    make_tenants(settings)
    app = create_app(settings)
    yield Service(app, make_tokens(app.state.desk.tokens))
    close(app)


@pytest.fixture
def engine(url: str) -> Iterator[Engine]:
    made = make_engine(url)
    yield made
    made.dispose()


def _run(url: str, name: str) -> None:
    engine = make_engine(url)
    with transaction(engine) as connection:
        connection.exec_driver_sql((SQL / name).read_text())
    engine.dispose()


def test_the_service_works_with_the_rights_of_its_role(limited: Service, photo: bytes) -> None:
    limited.desk.parts.tenants.set(TENANT, erasable=True, approvals="once")
    made = limited.post("/v1/anonymize", "all", photo)
    record = made.headers["x-visard-record"]
    soon = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    body = {"record": record, "reason": "warrant", "expires": soon}
    assert limited.request("POST", "/v1/approvals", "approve", json=body).status_code == 201
    back = limited.post("/v1/recover", "recover", made.content, reason="test")
    assert back.headers["x-visard-verified"] == "image"
    assert limited.request("DELETE", f"/v1/records/{record}", "erase").json()["erased"] == "image"
    assert limited.request("GET", "/v1/audit/entries", "audit").status_code == 200
    tidy(limited.desk.parts.audit, limited.desk.parts.records)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit_entries SET kind = 'erase'",
        "DELETE FROM audit_entries",
        "TRUNCATE audit_entries",
        "DROP TRIGGER audit_entries_append_only ON audit_entries",
        "ALTER TABLE audit_entries DISABLE TRIGGER ALL",
        "SET session_replication_role = replica",
        "DROP TABLE audit_entries",
        "DELETE FROM audit_heads",
        "CREATE TABLE mine (x int)",
    ],
)
def test_the_role_cannot_change_what_was_logged(statement: str, limited: Service, engine: Engine) -> None:
    limited.post("/v1/recover", "recover", b"", reason="test")
    before = limited.entries()
    with pytest.raises(DatabaseUnavailable) as caught, transaction(engine) as connection:
        connection.exec_driver_sql(statement)
    assert any(words in str(caught.value.__cause__) for words in ("permission denied", "must be owner"))
    assert limited.entries() == before


def test_no_table_was_forgotten(engine: Engine) -> None:
    with transaction(engine) as connection:
        for table in metadata.tables:
            for right in ("SELECT", "INSERT"):
                query = f"SELECT has_table_privilege('{table}', '{right}')"
                assert connection.exec_driver_sql(query).scalar_one(), f"grants.sql misses {table}"


def test_grants_that_fail_half_way_take_no_right_away(server: PostgresServer, engine: Engine, tmp_path: Path) -> None:
    (tmp_path / "grants.sql").write_text((SQL / "grants.sql").read_text().replace("quotas", "missing"))
    owner = make_url(server.url).set(drivername="postgresql", username="visard_owner").render_as_string()
    psql = [shutil.which("psql") or "psql", "-X", "-v", "ON_ERROR_STOP=1", "-f", tmp_path / "grants.sql", owner]
    done = subprocess.run(psql, capture_output=True, text=True, check=False)
    assert '"missing" does not exist' in done.stderr
    with transaction(engine) as connection:
        connection.exec_driver_sql("SELECT count(*) FROM records")
