"""Plain HTTP to Vault, with nothing of ours in between."""

import json
import urllib.request
from typing import Any


def ask(url: str, token: str, method: str, path: str, body: Any = None) -> Any:
    """One request; the answer's JSON."""
    request = urllib.request.Request(  # noqa: S310
        f"{url}/v1/{path}",
        method=method,
        data=None if body is None else json.dumps(body).encode(),
        headers={"X-Vault-Token": token, "X-Vault-Request": "true"},
    )
    with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310
        return json.loads(answer.read() or b"null")
