"""The search at the end of a run finds a secret in whatever it was shown in, and fails the run."""

import base64
import logging
import secrets
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from sqlalchemy import create_engine

from service.access.principal import Scope
from service.access.tenants import TenantStore
from service.access.tokens import TokenStore
from service.database.engine import make_engine
from service.database.migrate import upgrade
from service.keys.derive import Purpose, subkey
from service.keys.local import LocalKeyStore
from tests.leaks.mark import MARK
from tests.leaks.search import Search
from tests.leaks.watch import Keeper, Watch, plant

ROOT = Path(__file__).parents[2]
SECRET = secrets.token_bytes(32)
WORD = "visard_" + secrets.token_urlsafe(32)
FORMS: dict[str, Callable[[bytes], bytes]] = {
    "raw": bytes,
    "hex": lambda secret: secret.hex().encode(),
    "HEX": lambda secret: secret.hex().upper().encode(),
    **{f"base64 behind {n}": lambda secret, n=n: base64.b64encode(bytes(n) + secret + b"z") for n in range(3)},
    **{f"base64url behind {n}": lambda secret, n=n: base64.urlsafe_b64encode(bytes(n) + secret) for n in range(3)},
}


@pytest.fixture
def place() -> Iterator[Path]:
    """Gone before the end of the run: what leaks here on purpose must not fail it."""
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


@pytest.fixture
def own(place: Path) -> Watch:
    """A collection of this test's own."""
    own = Watch(place / "leaks")
    own.key(SECRET)
    own.word(WORD)
    return own


@pytest.mark.parametrize("form", FORMS)
def test_the_search_finds_every_form(form: str, place: Path) -> None:
    search = Search([SECRET, WORD.encode(), b"another secret"])
    for secret in (SECRET, WORD.encode()):
        shown = FORMS[form](secret)
        assert search.finds(shown) and search.finds(b"before " + shown + b" after")
        # Where the pieces of a large file meet.
        (file := place / "file").write_bytes(bytes((16 << 20) - 20) + shown + b"after")
        assert search.finds_in_file(file)
        assert not search.finds(shown[:-8])
    assert not search.finds(secrets.token_bytes(1 << 20))


def _log(own: Watch, shown: bytes, place: Path) -> None:
    keeper, logger = Keeper(own), logging.getLogger("service.test")
    logger.addHandler(keeper)
    logger.propagate = False
    logger.warning("it went wrong", extra={"fields": {"why": shown.decode("latin-1")}})
    logger.removeHandler(keeper)
    logger.propagate = True


def _problem(own: Watch, shown: bytes, place: Path) -> None:
    own.answer(httpx.Response(500, headers={"content-type": "application/problem+json"}, content=b'{"' + shown))


def _metrics(own: Watch, shown: bytes, place: Path) -> None:
    own.answer(httpx.Response(200, headers={"content-type": "text/plain"}, content=b'visard_x{why="' + shown + b'"} 1'))


def _header(own: Watch, shown: bytes, place: Path) -> None:
    own.answer(httpx.Response(200, headers={"content-type": "image/png", "x-visard-record": shown.decode("latin-1")}))


def _temporary(own: Watch, shown: bytes, place: Path) -> None:
    (own.temp / "spooled").write_bytes(shown)


def _sqlite(own: Watch, shown: bytes, place: Path) -> None:
    engine = create_engine(f"sqlite:///{place / 'visard.db'}")
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE IF NOT EXISTS t (c BLOB)")
        connection.exec_driver_sql("INSERT INTO t VALUES (?)", (shown,))
    engine.dispose()


@pytest.mark.parametrize("secret", [SECRET, MARK + b"4567890123456", WORD.encode()], ids=["key", "master", "token"])
@pytest.mark.parametrize("leak", [_log, _problem, _metrics, _header, _temporary, _sqlite])
def test_what_leaks_is_found(
    leak: Callable[[Watch, bytes, Path], None], secret: bytes, own: Watch, place: Path
) -> None:
    leak(own, b"no secret at all, and long enough", place)
    assert own.findings(place) == []
    # A log line and a header are text: bytes show there in another form.
    leak(own, secret.hex().encode() if leak in (_log, _header) else secret, place)
    assert len(own.findings(place)) == 1


def test_what_leaks_into_postgresql_is_found(own: Watch, postgres_server: str, place: Path) -> None:
    engine = create_engine(postgres_server)
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE leak (raw bytea, text text)")
        connection.exec_driver_sql("INSERT INTO leak VALUES (%s, 'harmless')", (bytes(100),))
    try:
        own.database(postgres_server)
        assert own.findings(place) == []
        for row in ((SECRET, "harmless"), (b"harmless", SECRET.hex())):
            with engine.begin() as connection:
                connection.exec_driver_sql("UPDATE leak SET raw = %s, text = %s", row)
            own.database(postgres_server)
            assert len(own.findings(place)) == 1
            next(place.glob("leaks/shown/postgresql-*")).unlink()
    finally:
        with engine.begin() as connection:
            connection.exec_driver_sql("DROP TABLE leak")
        engine.dispose()


def test_keys_and_tokens_are_noted_as_they_are_made(own: Watch, place: Path) -> None:
    with pytest.MonkeyPatch.context() as patches:
        plant(own, patches.setattr)
        keys = LocalKeyStore(place / "keys", "a passphrase of some length", cost=16)
        keys.create("acme")
        record_key = keys.record_key("acme", 1, b"context")
        made = [record_key, subkey(record_key, Purpose.SEAL)]
        database = make_engine(f"sqlite:///{place / 'visard.db'}")
        upgrade(database)
        TenantStore(database).create("acme")
        _, token = TokenStore(database, bytes(32)).create("acme", "somebody", [Scope.AUDIT])
        database.dispose()
    assert own.findings(place) == []
    for secret in (*made, token.encode(), b"a passphrase of some length"):
        own.keep("answers", secret)
        assert len(own.findings(place)) == 1
        next(place.glob("leaks/shown/answers-*")).unlink()
    key_file = next((place / "keys").glob("acme.json"))
    assert MARK not in key_file.read_bytes() and own.findings(place) == []


_TEST = """
import logging
from service.keys.local import LocalKeyStore
from tests.leaks.session import watch

def test_it(tmp_path):
    keys = LocalKeyStore(tmp_path / "keys")
    keys.create("acme")
    key = keys.record_key("acme", 1, b"c")
    logging.getLogger("service.test").warning("made %s", {shown})
"""


@pytest.mark.parametrize(("shown", "code", "workers"), [("key.hex()", 1, ["-n", "1"]), ("len(key)", 0, [])])
def test_a_leak_fails_the_run(shown: str, code: int, workers: list[str], place: Path) -> None:
    (place / "test_it.py").write_text(_TEST.format(shown=shown))
    # With the configuration of these tests, outside of their folder.
    options = ["-q", "-c", ROOT / "pyproject.toml", "--rootdir", place, "--basetemp", place / "base", *workers]
    run = subprocess.run(
        [sys.executable, "-m", "pytest", *map(str, options), str(place / "test_it.py")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == code, run.stdout
    assert ("key material" in run.stdout) == bool(code)
