"""A real Ray cluster of this machine, with a token, in processes of its own."""

import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from service.cluster.connection import SPILLING
from tests.ports import free_port
from tests.waiting import PATIENCE_S, until

MEMORY = "/dev/shm"  # noqa: S108
STORE_BYTES = 80 << 20
_ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Cluster:
    """A running cluster.

    Attributes:
        address: of its head.
        folder: with its logs.
        head: the process that runs it.
    """

    address: str
    token: str
    folder: Path
    head: int

    def environment(self, token: str | None = None) -> dict[str, str]:
        """Of a process that uses it."""
        clean = {name: value for name, value in os.environ.items() if not name.startswith(("VISARD_", "RAY_"))}
        return clean | {"VISARD_RAY_ADDRESS": self.address, "VISARD_RAY_TOKEN": token or self.token}

    def processes(self, beginning: str) -> list[int]:
        """Its processes, below the head, whose title begins so."""
        return [pid for pid in _below(self.head) if title(pid).startswith(beginning)]


@contextmanager
def ray_cluster(processors: int) -> Iterator[Cluster]:
    """Start one; every process of it is gone behind the block."""
    # The name of a socket in it has to be short.
    folder = Path(tempfile.mkdtemp(prefix="vr", dir=MEMORY))
    token, port = secrets.token_hex(32), free_port()
    environment = {
        **os.environ,
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN": token,
        "RAY_SERVE_PROXY_USE_HAPROXY": "0",
        "PYTHONPATH": str(_ROOT),
    }
    options = {
        "--port": port,
        "--ray-client-server-port": free_port(),
        "--dashboard-agent-listen-port": free_port(),
        "--min-worker-port": 0,
        "--max-worker-port": 0,
        "--num-cpus": processors,
        "--object-store-memory": STORE_BYTES,
        "--include-dashboard": "false",
        "--temp-dir": folder,
        "--system-config": json.dumps({SPILLING: False}),
    }
    command = [str(Path(sys.executable).parent / "ray"), "start", "--head", "--block", "--disable-usage-stats"]
    log = folder / "start.log"
    with open(log, "wb") as output:
        head = subprocess.Popen(
            [*command, *(f"{name}={value}" for name, value in options.items())],
            env=environment,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        until(lambda: b"Ray runtime started" in log.read_bytes() or head.poll() is not None)
        assert head.poll() is None, log.read_text()
        yield Cluster(f"127.0.0.1:{port}", token, folder, head.pid)
    finally:
        everything = _below(head.pid)
        head.kill()
        head.wait(PATIENCE_S)
        for pid in everything:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in everything))
        shutil.rmtree(folder, ignore_errors=True)


def _below(parent: int) -> set[int]:
    """Its children, and theirs."""
    parents = {}
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            parents[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
    found = {parent}
    while more := {pid for pid, above in parents.items() if above in found} - found:
        found |= more
    return found - {parent}


def title(pid: int) -> str:
    """The command line of a process; workers of Ray put their class and method there."""
    with suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").replace("\0", " ").strip()
    return ""


def processor_s(pid: int) -> float:
    """What a process has computed so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
