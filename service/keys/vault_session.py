"""A logged-in line to Vault: bounded retries, and one new login when the token is no longer taken."""

import random
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

from hvac import Client

from service.errors import KeysForbidden, KeysUnavailable
from service.keys.vault_client import VaultServer, open_client
from service.keys.vault_errors import VaultDenied, VaultMissing, VaultRejected, VaultTransient, attempt
from service.keys.vault_login import Lease, Login, renewed

_T = TypeVar("_T")

_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.1, 2.0
_STANDBY, _PERFORMANCE_STANDBY = 429, 473
_LOGIN_FAILED = "this service cannot log in to the key custody now"
_DENIED = "the key custody denies this service the request"
_NOT_ACCEPTED = "the key custody does not accept the credentials of this service"


class VaultSession:
    """Requests with a token; threads may share it. It logs in when it is first used.

    Each try of a request takes at most the server's timeout for connecting and as much for reading, and a login or two
    when the token has expired.
    """

    def __init__(self, server: VaultServer, login: Login) -> None:
        self._client = open_client(server)
        self._anonymous = open_client(server)
        # Vault Enterprise answers questions about its health in the root namespace only.
        self._health = open_client(replace(server, namespace=None))
        self._login = login
        self._retries = server.retries
        self._lock = threading.Lock()
        self._lease: Lease | None = None
        self._logins = 0
        self._failed = False
        self._stops: list[Callable[[], None]] = []

    def __repr__(self) -> str:
        return "VaultSession(***)"

    def call(self, request: Callable[[Client], _T], *, tries: int | None = None) -> _T:
        """Carry out a request and read its answer.

        Args:
            request: sends and validates; is given the client.
            tries: how often it is sent at most, though an earlier one may have been carried out; one more than the
                server's retries if None.

        Raises:
            VaultRejected, VaultMissing: see ``service.keys.vault_errors``.
            KeysForbidden: our token is valid, and not allowed to do this.
            KeysUnavailable: it did not work in time, or our credentials are not taken.
        """
        message = ""
        for number in range(tries or 1 + self._retries):
            if number:
                # Full jitter: many who failed at once must not come back at once.
                time.sleep(random.uniform(0, min(_LONGEST_PAUSE_S, _FIRST_PAUSE_S * 2**number)))  # noqa: S311
            try:
                return self._authorized(request)
            except VaultTransient as failure:
                message = str(failure)
        raise KeysUnavailable(message)

    def read(self, request: Callable[[Client], _T]) -> _T:
        """Run a request that Vault cannot validly reject with 400, such as a read.

        Raises:
            VaultMissing, KeysForbidden, KeysUnavailable: as ``call``.
        """
        try:
            return self.call(request)
        except VaultRejected:
            pass
        raise KeysUnavailable("the key custody does not understand this service")

    def check(self) -> None:
        """Let pass a Vault that is unsealed and takes our token.

        Raises:
            KeysUnavailable: it is not, or does not.
        """
        try:
            status = self._checked(self._health, _health_status)
        except VaultTransient as failure:
            status, message = 0, str(failure)
        if not status:
            raise KeysUnavailable(message)
        if status not in (200, _STANDBY, _PERFORMANCE_STANDBY):
            raise KeysUnavailable("the key custody is sealed, not initialised or under maintenance")
        self.read(_look_up)

    def lease(self) -> Lease | None:
        """The token in use; None before the first login, and after a failed one if it is no longer taken."""
        return self._lease

    def prolong(self) -> None:
        """Renew the token, or log in again where that does not help.

        Raises:
            VaultTransient, KeysUnavailable: neither worked.
        """
        lease, seen = self._lease, self._logins
        if lease is not None and lease.renewable:
            fresh = self._renewed(lease)
            # Close to its greatest age Vault grants less and less: then only a new login helps.
            if fresh is not None and fresh.ttl_s > lease.ttl_s / 2:
                with self._lock:
                    if self._logins == seen:
                        self._lease = fresh
                return
        # If that fails, the token serves for the rest of its life.
        self._log_in(seen, keep=True)

    def at_close(self, stop: Callable[[], None]) -> None:
        """Have something stopped when the session is closed."""
        self._stops.append(stop)

    def close(self) -> None:
        """Close the connections and forget the token."""
        for stop in self._stops:
            stop()
        for client in (self._client, self._anonymous, self._health):
            client.adapter.close()
        self._client.token = ""
        self._lease = None

    def _renewed(self, lease: Lease) -> Lease | None:
        try:
            return attempt(self._client, lambda client: renewed(client, lease))
        except (VaultDenied, VaultRejected, VaultMissing):
            return None

    def _authorized(self, request: Callable[[Client], _T]) -> _T:
        seen = self._logins
        if self._lease is None:
            seen = self._log_in(seen)
        try:
            return attempt(self._client, request)
        except VaultDenied:
            pass
        # A login for each request that a policy denies would leave as many tokens behind. What was looked up is the
        # token that was denied only if nobody has logged in since.
        if self._is_taken() and self._logins == seen:
            raise KeysForbidden(_DENIED)
        # A denied request was not carried out: it may be repeated, whatever it is.
        self._log_in(seen)
        try:
            return attempt(self._client, request)
        except VaultDenied:
            pass
        # With a token that is known to be valid.
        raise KeysForbidden(_DENIED)

    def _is_taken(self) -> bool:
        try:
            attempt(self._client, _look_up)
        except (VaultDenied, VaultRejected, VaultMissing):
            return False
        return True

    def _log_in(self, seen: int, *, keep: bool = False) -> int:
        """Log in, unless somebody has since ``seen`` was counted; returns the count now.

        Args:
            keep: the token so far until there is a new one.
        """
        with self._lock:
            if self._logins != seen:
                if self._failed:
                    # It just failed for another thread: do not line up to wait for the same again.
                    raise VaultTransient(_LOGIN_FAILED)
                return self._logins
            self._logins += 1
            self._failed = True
            if not keep:
                self._lease = None
            self._lease = lease = self._checked(self._anonymous, self._login)
            self._client.token = lease.token
            self._failed = False
            return self._logins

    def _checked(self, client: Client, request: Callable[[Client], _T]) -> _T:
        try:
            return attempt(client, request)
        except (VaultDenied, VaultRejected, VaultMissing):
            pass
        raise KeysUnavailable(_NOT_ACCEPTED)


def _health_status(client: Client) -> int:
    answer = client.sys.read_health_status(method="GET")
    if isinstance(answer, dict):
        return 200
    if answer.status_code == 200:
        raise ValueError("no JSON")
    return int(answer.status_code)


def _look_up(client: Client) -> None:
    if not isinstance(client.auth.token.lookup_self(), dict):
        raise ValueError("no JSON")
