"""Fixtures for more than one room: databases, a small network, a photo. And how hard the tests try."""

import shutil
import signal
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from skimage.data import astronaut
from sqlalchemy import Engine, create_engine, make_url

from service.assembly import open_parts
from service.database.engine import make_engine
from service.database.migrate import upgrade
from service.operations import strangers
from service.operations.parts import Parts
from service.settings import Settings
from tests import effort
from tests.files import encoded
from tests.given import given, take
from tests.leaks.session import watch
from tests.leaks.watch import Watch
from tests.postgres import PostgresServer, own_postgres
from tests.small_bundle import write_small_bundle

__all__ = ["watch"]

TENANT = "hospital"
_SERVER_URL = "VISARD_TEST_POSTGRES_URL"

take()
effort.load_profile()


@pytest.fixture(scope="session", autouse=True)
def few_draws() -> Iterator[None]:
    """One more draw at most: what small networks draw is no face to the detector, so all would always be drawn."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(strangers, "DRAWS", effort.count(2, strangers.DRAWS))
        yield


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """URL of a PostgreSQL server where databases may be made: the one named by the environment, or our own."""
    if url := given(_SERVER_URL):
        yield url
        return
    with own_postgres() as server:
        yield server.url


@pytest.fixture
def stoppable_postgres(watch: Watch) -> Iterator[PostgresServer]:
    """A server of this test's own, to be stopped and continued; it is running again at the end."""
    with own_postgres() as server:
        try:
            yield server
        finally:
            server.signal(signal.SIGCONT)
        watch.database(server.url)


@contextmanager
def _database(server: str, template: str = "template1") -> Iterator[str]:
    """URL of a new database, for the block."""
    name = f"visard_{uuid.uuid4().hex}"
    admin = create_engine(server, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name} TEMPLATE {template}")
    try:
        yield make_url(server).set(database=name).render_as_string(hide_password=False)
    finally:
        with admin.connect() as connection:
            connection.exec_driver_sql(f"DROP DATABASE {name} WITH (FORCE)")
        admin.dispose()


@pytest.fixture
def postgres_url(postgres_server: str, watch: Watch) -> Iterator[str]:
    """URL of an empty PostgreSQL database of this test's own; kept, in the end, to be searched."""
    with _database(postgres_server) as url:
        yield url
        watch.database(url)


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


def _migrated(url: str) -> None:
    engine = make_engine(url)
    upgrade(engine)
    engine.dispose()


# Migrations take longer than most of the tests that need them: they run once, and each test has a copy.
@pytest.fixture(scope="session")
def migrated_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite file with the tables of this version, to be copied."""
    path = tmp_path_factory.mktemp("migrated") / "visard.db"
    _migrated(f"sqlite:///{path}")
    return path


@pytest.fixture(scope="session")
def migrated_postgres(postgres_server: str) -> Iterator[str]:
    """Name of a PostgreSQL database with the tables of this version, to be copied."""
    with _database(postgres_server) as url:
        _migrated(url)
        yield str(make_url(url).database)


@pytest.fixture
def migrated_sqlite_url(migrated_file: Path, sqlite_url: str) -> str:
    """URL of a SQLite file of this test's own."""
    shutil.copy(migrated_file, str(make_url(sqlite_url).database))
    return sqlite_url


@pytest.fixture
def migrated_postgres_url(postgres_server: str, migrated_postgres: str, watch: Watch) -> Iterator[str]:
    """URL of a PostgreSQL database of this test's own; kept, in the end, to be searched."""
    with _database(postgres_server, migrated_postgres) as url:
        yield url
        watch.database(url)


@pytest.fixture(params=["sqlite_url", "postgres_url"])
def database(request: pytest.FixtureRequest) -> Iterator[Engine]:
    """An engine on a migrated database, once for each kind."""
    engine = make_engine(request.getfixturevalue(f"migrated_{request.param}"))
    yield engine
    engine.dispose()


@pytest.fixture(scope="session")
def small_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights of a network that takes no time."""
    return write_small_bundle(tmp_path_factory.mktemp("weights") / "small")


@pytest.fixture(scope="session")
def portrait() -> NDArray[np.uint8]:
    """(220, 200, 3): one face of about 100 x 70 pixels."""
    return np.ascontiguousarray(astronaut()[20:240, 120:320])


@pytest.fixture(scope="session")
def photo(portrait: NDArray[np.uint8]) -> bytes:
    """The portrait as a PNG file."""
    return encoded(portrait)


@pytest.fixture
def parts(tmp_path: Path, small_bundle: Path, migrated_file: Path) -> Parts:
    """Real ones on a small network: SQLite, local keys, CenterFace."""
    (tmp_path / "home").mkdir(0o700)
    shutil.copy(migrated_file, tmp_path / "home")
    made = open_parts(Settings(home=tmp_path / "home", weights=small_bundle))
    made.keys.create(TENANT)
    return made
