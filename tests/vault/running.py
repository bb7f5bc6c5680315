"""A Vault to test against: the double in a process of its own, or a real server, set up in the same way."""

import http.client
import json
import subprocess
import sys
import time
import urllib.error
import urllib.request
import uuid
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from service.keys.vault_client import VaultServer
from service.keys.vault_kv import VaultKvKeyStore
from service.keys.vault_login import Login, TokenLogin
from service.keys.vault_session import VaultSession
from service.keys.vault_transit import VaultTransitKeyStore
from tests.vault.http import ask

ROOT = Path(__file__).parents[2]
PREFIX = "visard-"
PATH = "visard/tenants"


@dataclass(frozen=True)
class Vault:
    """A server, and engines of this run's own on it.

    Attributes:
        url: of the API.
        token: that may do everything.
        name: of the mounts, unique.
    """

    url: str
    token: str
    name: str = field(default_factory=lambda: f"visard-test-{uuid.uuid4().hex[:8]}")

    @property
    def kv(self) -> str:
        return f"{self.name}-kv"

    @property
    def transit(self) -> str:
        return f"{self.name}-transit"

    def ask(self, method: str, path: str, body: Any = None, token: str | None = None) -> Any:
        """One request as the administrator, by plain HTTP; the answer's JSON."""
        return ask(self.url, token or self.token, method, path, body)

    def mount(self) -> None:
        """Both engines."""
        self.ask("POST", f"sys/mounts/{self.kv}", {"type": "kv", "options": {"version": "2"}})
        self.ask("POST", f"sys/mounts/{self.transit}", {"type": "transit"})
        self._wait_for_kv()

    @contextmanager
    def mounted(self) -> Iterator["Vault"]:
        """With both engines mounted."""
        self.mount()
        try:
            yield self
        finally:
            for mount in (self.kv, self.transit):
                self.ask("DELETE", f"sys/mounts/{mount}")

    def _wait_for_kv(self) -> None:
        """A fresh engine of version 2 is not there at once."""
        until = time.monotonic() + 30
        while True:
            try:
                self.ask("GET", f"{self.kv}/config")
            except urllib.error.HTTPError:
                assert time.monotonic() < until
                time.sleep(0.1)
            else:
                return

    def session(self, login: Login | None = None, **server: Any) -> VaultSession:
        """A session of ours, impatient and without retries unless told otherwise."""
        server = {"url": self.url, "timeout_s": 10.0, "retries": 0, **server}
        return VaultSession(VaultServer(**server), login or TokenLogin(SecretStr(self.token)))

    def keys(
        self, mode: str, session: VaultSession | None = None, cache_s: float = 0
    ) -> VaultKvKeyStore | VaultTransitKeyStore:
        """A custodian on one of the engines."""
        session = session or self.session()
        if mode == "kv":
            return VaultKvKeyStore(session, mount=self.kv, path=PATH, cache_s=cache_s)
        return VaultTransitKeyStore(session, mount=self.transit, prefix=PREFIX, cache_s=cache_s)


@dataclass(frozen=True)
class Double(Vault):
    """The double, which also takes orders."""

    control_port: int = 0
    unseal_key: str = ""

    def order(self, what: str, **body: Any) -> None:
        """Faults and states, see ``tests.vault.double``."""
        connection = http.client.HTTPConnection("127.0.0.1", self.control_port, timeout=10)
        connection.request("POST", f"/{what}", json.dumps(body))
        assert connection.getresponse().status == 204
        connection.close()

    def met(self) -> Counter[str]:
        """How many requests have met a fault, by its kind."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.control_port}/met", timeout=10) as answer:
            return Counter(json.load(answer))

    def fault(self, kind: object, times: int = 1, seconds: float = 0) -> None:
        self.order("fault", kind=str(kind), times=times, seconds=seconds)

    def seal(self) -> None:
        self.ask("POST", "sys/seal", {})

    def unseal(self) -> None:
        self.ask("POST", "sys/unseal", {"key": self.unseal_key})

    def heal(self) -> None:
        self.order("heal")
        self.order("state", sealed=False, standby=False, initialized=True)


@contextmanager
def double(*options: str) -> Iterator[Double]:
    """Start the double and stop it."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.vault.double", *options],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None and process.stdout is not None
    with process:
        told = json.loads(process.stdout.readline())
        scheme = "https" if "--cert" in options else "http"
        yield Double(
            f"{scheme}://127.0.0.1:{told['port']}",
            told["root"],
            control_port=told["control"],
            unseal_key=told["unseal_key"],
        )
        process.stdin.close()
        process.wait(10)
