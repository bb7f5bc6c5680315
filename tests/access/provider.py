"""An identity provider: real keys, and a real little HTTP server that publishes them."""

import base64
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

ISSUER, AUDIENCE = "https://login.example", "visard"
FAMILIES = {"RS": "rsa", "PS": "rsa", "ES256": "p256", "ES384": "p384", "EdDSA": "ed25519"}

# Made once: RSA keys take their time.
PRIVATE = {
    "rsa": rsa.generate_private_key(65537, 2048),
    "p256": ec.generate_private_key(ec.SECP256R1()),
    "p384": ec.generate_private_key(ec.SECP384R1()),
    "ed25519": ed25519.Ed25519PrivateKey.generate(),
}


def family(algorithm: str) -> str:
    return FAMILIES.get(algorithm) or FAMILIES[algorithm[:2]]


def jwk(private: Any, kid: str | None, **more: object) -> dict[str, Any]:
    """The public key as a JWK."""
    key = private.public_key()
    if isinstance(private, rsa.RSAPrivateKey):
        numbers = key.public_numbers()
        body = {"kty": "RSA", "n": _number(numbers.n), "e": _number(numbers.e)}
    elif isinstance(private, ec.EllipticCurvePrivateKey):
        numbers, size = key.public_numbers(), (key.key_size + 7) // 8
        curve = {256: "P-256", 384: "P-384"}[key.key_size]
        body = {"kty": "EC", "crv": curve, "x": _number(numbers.x, size), "y": _number(numbers.y, size)}
    else:
        raw = key.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
        body = {"kty": "OKP", "crv": "Ed25519", "x": _text(raw)}
    return {**body, **({} if kid is None else {"kid": kid}), **more}


def _number(value: int, size: int = 0) -> str:
    return _text(value.to_bytes(size or (value.bit_length() + 7) // 8, "big"))


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def claims(**changes: object) -> dict[str, Any]:
    """Claims of a good token; None takes one away."""
    now = int(time.time())
    good = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": "alice",
        "tenant": "acme",
        "scope": "openid recover audit",
        "iat": now,
        "exp": now + 600,
    }
    return {name: value for name, value in {**good, **changes}.items() if value is not None}


def token(algorithm: str = "ES256", kid: str | None = "p256", key: Any = None, **changes: object) -> str:
    """A signed token; by a fitting key if none is given."""
    headers = {} if kid is None else {"kid": kid}
    return jwt.encode(claims(**changes), key or PRIVATE[family(algorithm)], algorithm, headers)


def document(*keys: dict[str, Any]) -> bytes:
    return json.dumps({"keys": keys}).encode()


class Provider(ThreadingHTTPServer):
    """Publishes ``body``; counts who asks.

    Attributes:
        body: of the answer.
        status: of the answer.
        gate: while it is not set, nobody is answered.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.body = document(*(jwk(private, name) for name, private in PRIVATE.items()))
        self.status = 200
        self.headers: dict[str, str] = {}
        self.asked = 0
        self.gate = threading.Event()
        self.gate.set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/keys"


class _Handler(BaseHTTPRequestHandler):
    server: Provider

    def do_GET(self) -> None:
        self.server.asked += 1
        self.server.gate.wait()
        self.send_response(self.server.status)
        for name, value in self.server.headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(self.server.body)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@contextmanager
def provider() -> Iterator[Provider]:
    server = Provider()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        server.gate.set()
        server.shutdown()
        thread.join()
        server.server_close()
