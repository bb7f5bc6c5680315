"""What the double of Vault knows, and the way of a request through it."""

import secrets
import threading
import time
from collections import Counter
from dataclasses import dataclass
from typing import Any

from tests.vault.answers import EMPTY, Answer, Failed, data
from tests.vault.auth import Auth
from tests.vault.kv import Kv
from tests.vault.transit import Transit

_CAPABILITIES = {"GET": "read", "LIST": "list", "DELETE": "delete"}


@dataclass
class Fault:
    """What the next requests meet: drop (unheard), lose (the answer), delay, malformed, expire, or a status code."""

    kind: str
    times: int
    seconds: float


class Vault:
    """The state, and the way of a request through it."""

    def __init__(self) -> None:
        self.root = f"root.{secrets.token_hex(8)}"
        self.unseal_key = secrets.token_hex(16)
        self.lock = threading.RLock()
        self.auth = Auth(self.root)
        self.mounts: dict[str, Kv | Transit] = {}
        self.auth_mounts: dict[str, str] = {}
        self.namespaces = {""}
        self.sealed = False
        self.standby = False
        self.initialized = True
        self.faults: list[Fault] = []
        self.met = Counter[str]()

    def handle(self, method: str, path: str, query: dict[str, str], headers: Any, body: dict[str, Any]) -> Answer:
        with self.lock:
            try:
                return self._handle(method, path, query, headers, body)
            except Failed as failed:
                return failed.answer

    def fault(self) -> Fault | None:
        """The fault that the next request meets."""
        with self.lock:
            if not self.faults:
                return None
            fault = self.faults[0]
            fault.times -= 1
            if fault.times <= 0:
                self.faults.pop(0)
            self.met[fault.kind] += 1
            return fault

    def expire_tokens(self) -> None:
        """All but the root token."""
        with self.lock:
            for token in self.auth.tokens.values():
                if token.id != self.root:
                    token.until = time.monotonic()

    def _handle(self, method: str, path: str, query: dict[str, str], headers: Any, body: dict[str, Any]) -> Answer:
        if method == "GET" and query.get("list") == "true":
            method = "LIST"
        if method == "PUT":
            # To Vault the same; its own command line prefers it.
            method = "POST"
        if path == "sys/health":
            return self._health()
        if path == "sys/unseal":
            self.sealed = self.sealed and body.get("key") != self.unseal_key
            return Answer(200, {"sealed": self.sealed, "t": 1, "n": 1, "progress": 0})
        if not self.initialized or self.sealed:
            self.met["seal"] += self.sealed
            raise Failed(503, "Vault is sealed")
        if headers.get("X-Vault-Namespace", "").strip("/") not in self.namespaces:
            raise Failed(404, "namespace not found")
        area, *rest = path.split("/")
        if area == "auth" and rest[-1] == "login":
            return self._log_in(rest, method, body)
        presented = headers.get("X-Vault-Token", "")
        self.met["expire"] += self.auth.expired(presented)
        token = self.auth.token(presented)
        engine, inner = self._engine(path)
        if method == "LIST":
            path = path.rstrip("/") + "/"
        writing = "update" if engine is None or engine.exists(inner) else "create"
        self.auth.permit(token, _CAPABILITIES.get(method, writing), path)
        if engine is not None:
            return engine.handle(method, inner, body, query)
        if area == "auth" and rest[0] == "token":
            return self.auth.tokens_of(token, method, rest[1:], body)
        if area == "auth":
            return self._auth_method(rest, method, body)
        if area == "sys":
            return self._sys(method, rest, body)
        raise Failed(404, f'no handler for route "{path}". route entry not found.')

    def _health(self) -> Answer:
        status = 501 if not self.initialized else 503 if self.sealed else 429 if self.standby else 200
        return Answer(
            status,
            {
                "initialized": self.initialized,
                "sealed": self.sealed,
                "standby": self.standby,
                "server_time_utc": int(time.time()),
                "version": "1.18.0",
            },
        )

    def _engine(self, path: str) -> tuple[Kv | Transit | None, str]:
        for mount, engine in self.mounts.items():
            if path.startswith(f"{mount}/"):
                return engine, path.removeprefix(f"{mount}/")
        return None, path

    def _log_in(self, rest: list[str], method: str, body: dict[str, Any]) -> Answer:
        return self._auth_method(rest, method, body)

    def _auth_method(self, rest: list[str], method: str, body: dict[str, Any]) -> Answer:
        mount, *path = rest
        kind = self.auth_mounts.get(mount)
        if kind is None:
            raise Failed(404, f'no handler for route "auth/{mount}". route entry not found.')
        if path == ["config"]:
            return EMPTY
        return (self.auth.approle if kind == "approle" else self.auth.kubernetes)(method, path, body)

    def _sys(self, method: str, path: list[str], body: dict[str, Any]) -> Answer:
        match method, path:
            case "POST", ["mounts", *mount]:
                return self._mount("/".join(mount), body)
            case "DELETE", ["mounts", *mount]:
                self.mounts.pop("/".join(mount), None)
                return EMPTY
            case "GET", ["mounts"]:
                kinds = {Kv: "kv", Transit: "transit"}
                return data({f"{name}/": {"type": kinds[type(engine)]} for name, engine in self.mounts.items()})
            case "POST", ["auth", mount]:
                if mount in self.auth_mounts:
                    raise Failed(400, f"path is already in use at {mount}/")
                self.auth_mounts[mount] = body["type"]
                return EMPTY
            case "DELETE", ["auth", mount]:
                self.auth_mounts.pop(mount, None)
                return EMPTY
            case "GET", ["auth"]:
                return data({f"{name}/": {"type": kind} for name, kind in self.auth_mounts.items()})
            case "POST", ["policies", "acl", name]:
                self.auth.write_policy(name, body["policy"])
                return EMPTY
            case "DELETE", ["policies", "acl", name]:
                self.auth.policies.pop(name, None)
                return EMPTY
            case "POST", ["seal"]:
                self.sealed = True
                return EMPTY
            case "POST", ["namespaces", name]:
                self.namespaces.add(name)
                return data({"path": f"{name}/"})
        raise Failed(405, "unsupported operation")

    def _mount(self, mount: str, body: dict[str, Any]) -> Answer:
        if mount in self.mounts:
            raise Failed(400, f"path is already in use at {mount}/")
        self.mounts[mount] = Transit() if body["type"] == "transit" else Kv()
        return EMPTY
