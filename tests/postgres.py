"""A private PostgreSQL server, from Debian's package or from PATH."""

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
from sqlalchemy import NullPool, create_engine, make_url


@dataclass(frozen=True)
class PostgresServer:
    """A server that listens on a socket in its directory only.

    Attributes:
        directory: of everything it owns.
        user: it runs as; None for the user of the tests.
    """

    directory: Path
    user: str | None

    @property
    def url(self) -> str:
        """Of its administrative database."""
        return f"postgresql+psycopg://postgres@/postgres?host={self.directory}"

    def start(self) -> None:
        options = f"-c listen_addresses='' -c unix_socket_directories={self.directory} -c fsync=off"
        self._control("-l", str(self.directory / "log"), "-o", options, "start")

    def stop(self) -> None:
        """At once, as a crash would: connections break, the next start recovers."""
        self._control("-m", "immediate", "stop")

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """Down for the block."""
        self.stop()
        try:
            yield
        finally:
            self.start()

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Hung for the block: connections stay open, the kernel even takes new ones, and nothing answers."""
        processes = self._processes()
        for process in processes:
            os.kill(process, signal.SIGSTOP)
        try:
            yield
        finally:
            for process in processes:
                os.kill(process, signal.SIGCONT)

    def run(self, program: str, *arguments: str) -> None:
        """Run one of the server's programs."""
        installed = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{program}"))
        binary = str(installed[-1]) if installed else shutil.which(program)
        if binary is None:
            pytest.fail("PostgreSQL is missing: install its server")
        # Captured output would be kept open by the server and never end.
        subprocess.run(
            [binary, *arguments],
            check=True,
            user=self.user,
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def _control(self, *arguments: str) -> None:
        self.run("pg_ctl", "-D", str(self.directory / "data"), "-w", *arguments)

    def _processes(self) -> list[int]:
        """The server's first process, then its children."""
        first = int((self.directory / "data" / "postmaster.pid").read_text().split()[0])
        children = Path(f"/proc/{first}/task/{first}/children").read_text().split()
        return [first, *map(int, children)]


@contextmanager
def postgres_server() -> Iterator[PostgresServer]:
    """A fresh server that runs; gone behind the block."""
    # The server refuses to run as root.
    user = "postgres" if os.geteuid() == 0 else None
    server = PostgresServer(Path(tempfile.mkdtemp(prefix="visard-postgres-")), user)
    if user:
        shutil.chown(server.directory, user)
    data = str(server.directory / "data")
    server.run("initdb", "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync")
    server.start()
    try:
        yield server
    finally:
        server.stop()
        shutil.rmtree(server.directory)


@contextmanager
def postgres_database(server_url: str) -> Iterator[str]:
    """URL of an empty database of its own on a server."""
    name = f"visard_{uuid.uuid4().hex}"
    admin = create_engine(server_url, isolation_level="AUTOCOMMIT", poolclass=NullPool)
    with admin.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name}")
    try:
        yield make_url(server_url).set(database=name).render_as_string(hide_password=False)
    finally:
        with admin.connect() as connection:
            connection.exec_driver_sql(f"DROP DATABASE {name} WITH (FORCE)")
        admin.dispose()
