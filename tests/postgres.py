"""A private PostgreSQL server, from Debian's package or from PATH."""

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest


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
        self.signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self.signal(signal.SIGCONT)

    def signal(self, number: int) -> None:
        """Send a signal to the server's first process and to its children."""
        first = int((self.directory / "data" / "postmaster.pid").read_text().split()[0])
        children = Path(f"/proc/{first}/task/{first}/children").read_text().split()
        os.kill(first, number)
        for child in map(int, children):
            # The server's workers come and go meanwhile.
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, number)

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


@contextmanager
def own_postgres() -> Iterator[PostgresServer]:
    """Start a server that nobody else uses; gone behind the block."""
    # The server refuses to run as root.
    user = "postgres" if os.geteuid() == 0 else None
    # Not where temporary files of tests are: paths of sockets must be short, and others may not enter there.
    server = PostgresServer(Path(tempfile.mkdtemp(prefix="visard-postgres-", dir="/tmp")), user)
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
