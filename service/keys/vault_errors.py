"""What goes wrong with Vault, in words that hold no URL, path, token or key.

hvac's and requests' exceptions quote all of these. None of them leaves ``attempt``, not even as a cause.
"""

from collections.abc import Callable
from typing import Any, TypeVar

from hvac import Client
from hvac import exceptions as vault
from requests import exceptions as http

from service.errors import KeysUnavailable

_T = TypeVar("_T")

_TRANSIENT: dict[type[Exception], str] = {
    vault.RateLimitExceeded: "the key custody asks for fewer requests",
    vault.VaultNotInitialized: "the key custody is not initialised",
    vault.VaultDown: "the key custody is sealed or under maintenance",
    vault.VaultError: "the key custody failed",
    http.RequestException: "the key custody does not answer",
    Exception: "the key custody answered with something unreadable",
}
# What hvac, pydantic and we run into when an answer is not what it should be.
_UNREADABLE = (ValueError, TypeError, LookupError, AttributeError)


class VaultTransient(Exception):
    """It did not work now; the same request may work later. The message may be shown."""


class VaultDenied(Exception):
    """403: the token is not valid, or not allowed to do this."""


class VaultRejected(Exception):
    """400: the request does not fit the state of what it is about."""


class VaultMissing(Exception):
    """404: there is nothing, or nothing any more.

    Attributes:
        body: of the answer; tells deleted from destroyed.
    """

    def __init__(self, body: Any) -> None:
        super().__init__()
        self.body = body


def attempt(client: Client, request: Callable[[Client], _T]) -> _T:
    """Send one request.

    Raises:
        VaultTransient, VaultDenied, VaultRejected, VaultMissing: what became of it.
        KeysUnavailable: it cannot work before somebody changes the configuration.
    """
    try:
        return request(client)
    except (vault.VaultError, http.RequestException, *_UNREADABLE) as error:
        failure = _failure(error)
    # Outside the block: the foreign exception is not even the context of ours.
    raise failure


def _failure(error: Exception) -> Exception:
    if isinstance(error, vault.Forbidden | vault.Unauthorized):
        return VaultDenied()
    if isinstance(error, vault.InvalidRequest):
        return VaultRejected()
    if isinstance(error, vault.InvalidPath):
        # What is not there has no message; a missing engine or namespace has.
        return (
            KeysUnavailable("the key custody has no such engine or namespace")
            if error.errors
            else VaultMissing(error.json)
        )
    return VaultTransient(next(text for kind, text in _TRANSIENT.items() if isinstance(error, kind)))
