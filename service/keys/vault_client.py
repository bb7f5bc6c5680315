"""How Vault is reached: TLS, namespace, timeouts; nothing is taken from the environment behind our back."""

from dataclasses import dataclass
from pathlib import Path

import hvac
import requests

from service.transport import is_protected

_MAX_REDIRECTS = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class VaultServer:
    """Where Vault is.

    Attributes:
        url: ``https://host:8200``.
        namespace: of Vault Enterprise or OpenBao.
        ca: PEM of the authorities its certificate may come from; those of the system if None.
        client_cert: PEM of our own certificate, for mutual TLS.
        client_key: PEM of its key.
        timeout_s: to connect, and again between two pieces of an answer.
        retries: how often a request is repeated that may be.
    """

    url: str
    namespace: str | None = None
    ca: Path | None = None
    client_cert: Path | None = None
    client_key: Path | None = None
    timeout_s: float = 2.0
    retries: int = 2


class _Session(requests.Session):
    """Follows a standby's redirect to the active node, but never to where others can read the token on its way."""

    def rebuild_auth(self, prepared_request: requests.PreparedRequest, response: requests.Response) -> None:
        """Called before each redirect is followed."""
        before, after = str(response.request.url), str(prepared_request.url)
        left_tls = before.startswith("https:") and not after.startswith("https:")
        if left_tls or (is_protected(before) and not is_protected(after)):
            raise requests.exceptions.InvalidURL("redirected into the open")
        super().rebuild_auth(prepared_request, response)


def open_client(server: VaultServer) -> hvac.Client:
    """A client without a token; connects only when used."""
    session = _Session()
    # Neither proxies nor certificates nor passwords that some other program left in the environment.
    session.trust_env = False
    session.max_redirects = _MAX_REDIRECTS
    session.verify = True if server.ca is None else str(server.ca)
    if server.client_cert is not None:
        session.cert = (str(server.client_cert), str(server.client_key or server.client_cert))
    return hvac.Client(
        url=server.url,
        token="",
        verify=session.verify,
        cert=session.cert,
        session=session,
        namespace=server.namespace,
        timeout=(server.timeout_s, server.timeout_s),
    )
