"""A double of Vault for tests: its documented HTTP API, in a process of its own, and faults on demand.

    python -m tests.vault.double [--cert PEM --key PEM [--client-ca PEM]]

prints one line of JSON: the port of the API, the port of the control, and the root token. NOT FOR PRODUCTION:
everything is in memory, and whoever reaches the control port rules it.

The control takes ``POST /fault`` with ``{"kind": ..., "times": N, "seconds": S}``, and ``GET /met`` says how many
requests have met each kind; it is no part of Vault's API.
"""

import argparse
import json
import ssl
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from tests.vault.state import Fault, Vault


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
