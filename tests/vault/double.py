"""A double of Vault for tests: its documented HTTP API, in a process of its own, and faults on demand.

    python -m tests.vault.double [--cert PEM --key PEM [--client-ca PEM]]

prints one line of JSON: the port of the API, the port of the control, and the root token. NOT FOR PRODUCTION:
everything is in memory, and whoever reaches the control port rules it.

The control takes ``POST /fault`` with ``{"kind": ..., "times": N, "seconds": S}``, and ``GET /met`` says how many
requests have met each kind; it is no part of Vault's API.
"""

import argparse
import json
import secrets
import ssl
import sys
import threading
import time
from collections import Counter
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

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


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    vault: Vault

    def _serve(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        body = json.loads(self.rfile.read(length) or b"{}")
        address = urlsplit(self.path)
        path = unquote(address.path).removeprefix("/v1/")
        fault = self.vault.fault()
        if fault is not None and fault.kind == "delay":
            time.sleep(fault.seconds)
        elif fault is not None and fault.kind == "expire":
            self.vault.expire_tokens()
        elif fault is not None and fault.kind != "lose":
            self._fail(fault.kind)
            return
        answer = self.vault.handle(self.command, path, dict(parse_qsl(address.query)), self.headers, body)
        if fault is not None and fault.kind == "lose":
            self._fail("drop")
            return
        self._send(answer.status, b"" if answer.body is None else json.dumps(answer.body).encode())

    def _fail(self, kind: str) -> None:
        if kind == "drop":
            self.close_connection = True
            self.connection.shutdown(2)
        elif kind == "malformed":
            self._send(200, b'{"data": {"keys": ')
        else:
            self._send(int(kind), json.dumps({"errors": ["a fault"]}).encode())

    def _send(self, status: int, content: bytes) -> None:
        self.send_response(status)
        if content:
            self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = do_PUT = do_DELETE = do_LIST = _serve  # noqa: N815

    def log_message(self, format: str, *arguments: Any) -> None:
        """Say nothing: who started us reads only one line."""


class _Control(BaseHTTPRequestHandler):
    vault: Vault

    def do_GET(self) -> None:
        with self.vault.lock:
            met = json.dumps(self.vault.met).encode()
        self.send_response(200)
        self.end_headers()
        self.wfile.write(met)

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with self.vault.lock:
            match self.path:
                case "/fault":
                    self.vault.faults = [Fault(body["kind"], body.get("times", 1), body.get("seconds", 0))]
                case "/heal":
                    self.vault.faults = []
                case "/expire":
                    self.vault.expire_tokens()
                case "/service-account":
                    self.vault.auth.service_accounts[body["jwt"]] = body["role"]
                case "/state":
                    for name, value in body.items():
                        setattr(self.vault, name, value)
        self.send_response(204)
        self.end_headers()

    def log_message(self, format: str, *arguments: Any) -> None:
        """Say nothing."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that give up are part of the game."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)


def main() -> None:
    parser = argparse.ArgumentParser()
    for name in ("--cert", "--key", "--client-ca"):
        parser.add_argument(name)
    arguments = parser.parse_args()
    vault = Vault()
    api = _Server(("127.0.0.1", 0), type("Handler", (_Handler,), {"vault": vault}))
    control = _Server(("127.0.0.1", 0), type("Control", (_Control,), {"vault": vault}))
    if arguments.cert:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(arguments.cert, arguments.key)
        if arguments.client_ca:
            context.load_verify_locations(arguments.client_ca)
            context.verify_mode = ssl.CERT_REQUIRED
        api.socket = context.wrap_socket(api.socket, server_side=True)
    threading.Thread(target=control.serve_forever, daemon=True).start()
    threading.Thread(target=api.serve_forever, daemon=True).start()
    ports = {"port": api.server_address[1], "control": control.server_address[1]}
    print(json.dumps({**ports, "root": vault.root, "unseal_key": vault.unseal_key}), flush=True)
    # Ends with whoever started it.
    sys.stdin.read()


if __name__ == "__main__":
    main()
