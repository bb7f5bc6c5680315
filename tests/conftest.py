"""Fixtures for more than one room: databases. And how hard hypothesis tries."""

import os
import shutil
import signal
import subprocess
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from sqlalchemy import Engine, create_engine, make_url

from service.database.engine import make_engine
from service.database.migrate import upgrade

_SERVER_URL = "VISARD_TEST_POSTGRES_URL"

# How long an example takes says nothing about the product: no deadline, no complaint about slow ones.
_PATIENT = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow]}
settings.register_profile("default", **_PATIENT, max_examples=50, derandomize=True)
settings.register_profile("drills", **_PATIENT, max_examples=1000, print_blob=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """URL of a PostgreSQL server where databases may be made: the one named by the environment, or our own."""
    given = os.environ.get(_SERVER_URL)
    if given:
        yield given
        return
    with own_postgres() as server:
        yield server.url


@dataclass(frozen=True)
class PostgresServer:
    """A running server of our own."""

    url: str
    data: Path

    def signal(self, number: int) -> None:
        """Send a signal to the server and to every process it made."""
        main = int((self.data / "postmaster.pid").read_text().split()[0])
        children = Path(f"/proc/{main}/task/{main}/children").read_text().split()
        for process in (main, *map(int, children)):
            os.kill(process, number)


@contextmanager
def own_postgres() -> Iterator[PostgresServer]:
    """Start a server that nobody else uses, and stop it at the end."""
    directory = Path(tempfile.mkdtemp(prefix="visard-postgres-"))
    # The server refuses to run as root.
    user = "postgres" if os.geteuid() == 0 else None
    if user:
        shutil.chown(directory, user)
    data = directory / "data"
    _postgres(user, "initdb", "-D", str(data), "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync")
    settings = f"-c listen_addresses='' -c unix_socket_directories={directory} -c fsync=off"
    _postgres(user, "pg_ctl", "-D", str(data), "-l", str(directory / "log"), "-o", settings, "-w", "start")
    try:
        yield PostgresServer(f"postgresql+psycopg://postgres@/postgres?host={directory}", data)
    finally:
        _postgres(user, "pg_ctl", "-D", str(data), "-m", "immediate", "-w", "stop")
        shutil.rmtree(directory)


@pytest.fixture
def stoppable_postgres() -> Iterator[PostgresServer]:
    """A server of this test's own, to be stopped and continued; it is running again at the end."""
    with own_postgres() as server:
        try:
            yield server
        finally:
            server.signal(signal.SIGCONT)


@pytest.fixture
def postgres_url(postgres_server: str) -> Iterator[str]:
    """URL of an empty PostgreSQL database of this test's own."""
    name = f"visard_{uuid.uuid4().hex}"
    admin = create_engine(postgres_server, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name}")
    try:
        yield make_url(postgres_server).set(database=name).render_as_string(hide_password=False)
    finally:
        with admin.connect() as connection:
            connection.exec_driver_sql(f"DROP DATABASE {name} WITH (FORCE)")
        admin.dispose()


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    """URL of a SQLite file that does not exist yet."""
    return f"sqlite:///{tmp_path / 'visard.db'}"


@pytest.fixture(params=["sqlite_url", "postgres_url"])
def empty_database(request: pytest.FixtureRequest) -> Iterator[Engine]:
    """An engine on an empty database, once for each kind."""
    engine = make_engine(request.getfixturevalue(request.param))
    yield engine
    engine.dispose()


@pytest.fixture
def database(empty_database: Engine) -> Engine:
    """An engine on a migrated database, once for each kind."""
    upgrade(empty_database)
    return empty_database


def _postgres(user: str | None, program: str, *arguments: str) -> None:
    installed = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{program}"))
    binary = str(installed[-1]) if installed else shutil.which(program)
    if binary is None:
        pytest.fail(f"PostgreSQL is missing: install it, or set {_SERVER_URL}")
    # Captured output would be kept open by the server and never end.
    subprocess.run(
        [binary, *arguments],
        check=True,
        user=user,
        cwd="/",
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
