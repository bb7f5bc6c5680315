"""One bounded GET of a JWK set."""

import time
import urllib.request

from service.transport import bare_opener

MAX_BYTES = 256 << 10

_CHUNK = 16 << 10


def fetch_jwks(url: str, timeout_s: float) -> bytes:
    """The document at ``url``, which must be HTTP or HTTPS.

    Args:
        timeout_s: for each step, and for the whole body.

    Raises:
        OSError: it is not there, in time or at all, redirects, or is larger than ``MAX_BYTES``.
        http.client.HTTPException: the answer is no HTTP.
    """
    end = time.monotonic() + timeout_s
    request = urllib.request.Request(url, headers={"Accept": "application/jwk-set+json, application/json"})  # noqa: S310
    body = bytearray()
    with bare_opener(proxies=True).open(request, timeout=timeout_s) as answer:
        while chunk := answer.read1(_CHUNK):
            body += chunk
            if len(body) > MAX_BYTES:
                raise OSError("the JWK set is too large")
            if time.monotonic() > end:
                raise TimeoutError("the JWK set did not arrive in time")
    return bytes(body)
