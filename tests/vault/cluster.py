"""The one part of Kubernetes' API that Vault's ``kubernetes`` auth method asks: TokenReview."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec

_KEY = ec.generate_private_key(ec.SECP256R1())


@dataclass
class Cluster:
    """A cluster that knows some service accounts.

    Attributes:
        url: of its API.
        tokens: of service accounts, and who they are: ``(namespace, name)``.
    """

    url: str = ""
    tokens: dict[str, tuple[str, str]] = field(default_factory=dict)

    def token(self, namespace: str, name: str) -> str:
        """What Kubernetes mounts into a pod; the signature is for the cluster to check, and it knows its tokens."""
        pod = {"namespace": namespace, "serviceaccount": {"name": name, "uid": "uid"}}
        claims = {"sub": f"system:serviceaccount:{namespace}:{name}", "iss": "cluster", "kubernetes.io": pod}
        made = jwt.encode({**claims, "iat": time.time()}, _KEY, algorithm="ES256")
        self.tokens[made] = namespace, name
        return made

    def review(self, path: str, request: dict[str, Any]) -> dict[str, Any]:
        """See https://kubernetes.io/docs/reference/kubernetes-api/authentication-resources/token-review-v1/."""
        assert path == "/apis/authentication.k8s.io/v1/tokenreviews"
        status: dict[str, Any] = {"authenticated": False, "error": "unknown token"}
        if (known := self.tokens.get(request["spec"]["token"])) is not None:
            groups = ["system:serviceaccounts", "system:authenticated"]
            user = {"username": "system:serviceaccount:{}:{}".format(*known), "uid": "uid", "groups": groups}
            status = {"authenticated": True, "user": user}
        return {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "status": status}


@contextmanager
def cluster() -> Iterator[Cluster]:
    """One that listens on this machine."""
    found = Cluster()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            answer = json.dumps(found.review(self.path, body)).encode()
            self.send_response(201)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: object) -> None:
            """Says nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    found.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield found
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
