"""The public keys of an identity provider (RFC 7517): fetched when needed, kept for a while, fetched again on rotation.

Whoever sends a token chooses its key id. So an unknown one makes the keys be fetched again, but not more often than
every ``COOLDOWN_S``; and whoever needs a fetch waits for the one that runs, for a bounded time.
"""

import json
import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

from service.errors import IdentityProviderUnavailable

Jwk = dict[str, Any]

REFRESH_S = 300.0
"""After this long the keys are fetched again: a key that the provider withdrew is gone by then."""
MAX_AGE_S = 3600.0
"""For this long they are trusted while the provider does not answer."""
COOLDOWN_S = 10.0
"""Between two fetches at least."""

_MAX_KEYS = 100
_KTY = {"RS": "RSA", "PS": "RSA", "ES": "EC", "Ed": "OKP"}
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Held:
    keys: tuple[Jwk, ...]
    since: float


class KeySet:
    """The keys of one provider. May be asked from any thread."""

    def __init__(
        self, fetch: Callable[[], bytes], patience_s: float, now: Callable[[], float] = time.monotonic
    ) -> None:
        """Take the keys from ``fetch``, when they are first needed.

        Args:
            fetch: gets the JSON document; may raise whatever it likes.
            patience_s: how long a caller waits for it.
            now: the clock, seconds.
        """
        self._fetch = fetch
        self._patience_s = patience_s
        self._now = now
        self._lock = threading.Lock()
        self._held: _Held | None = None
        self._flight: Future[bool] | None = None
        self._tried = -COOLDOWN_S
        self._answered = False

    def find(self, key_id: str | None, algorithm: str) -> Jwk | None:
        """The key of this id that may verify this algorithm; the only such key, if a token names none.

        Raises:
            IdentityProviderUnavailable: the provider does not answer, so that nobody knows.
        """
        held = self._held
        if held is None or self._age(held) >= REFRESH_S:
            held = self._renewed(held)
        found = _choose(held.keys, key_id, algorithm)
        if found is None:
            if not self._fetched():
                raise _unavailable()
            found = _choose((self._held or held).keys, key_id, algorithm)
        return found

    def _renewed(self, old: _Held | None) -> _Held:
        fetched = self._fetched()
        held = self._held
        if held is None or (not fetched and self._age(held) >= MAX_AGE_S):
            raise _unavailable()
        return held if fetched or old is None else old

    def _age(self, held: _Held) -> float:
        return self._now() - held.since

    def _fetched(self) -> bool:
        """Whether the provider answered: now, or in the last fetch if that is not long ago."""
        with self._lock:
            if self._flight is None:
                if self._now() - self._tried < COOLDOWN_S:
                    return self._answered
                self._tried = self._now()
                self._flight = Future()
                threading.Thread(target=self._fly, args=(self._flight,), name="visard-jwks", daemon=True).start()
            flight, left = self._flight, self._tried + self._patience_s - self._now()
        try:
            return flight.result(max(0.0, left))
        except TimeoutError:
            return False

    def _fly(self, flight: "Future[bool]") -> None:
        keys = None
        try:
            keys = parse_jwks(self._fetch())
        except Exception as error:  # noqa: BLE001
            # Whatever a network, a provider or a parser does: it did not answer. Its text may hold the URL.
            _log.warning("the keys of the identity provider could not be fetched: %s", type(error).__name__)
        with self._lock:
            if keys is not None:
                self._held = _Held(keys, self._now())
            self._answered = keys is not None
            self._flight = None
        flight.set_result(keys is not None)


def parse_jwks(document: bytes) -> tuple[Jwk, ...]:
    """The public keys for signatures in a JWK set; what else it holds is left out.

    Raises:
        ValueError: it is no JWK set, or one of more than a hundred keys.
    """
    try:
        keys = json.loads(document)["keys"]
    except (TypeError, KeyError, RecursionError) as error:
        raise ValueError("no JWK set") from error
    if not isinstance(keys, list) or len(keys) > _MAX_KEYS:
        raise ValueError("no JWK set, or too long a one")
    return tuple(key for key in keys if isinstance(key, dict) and _verifies(key))


def _verifies(key: Jwk) -> bool:
    """A symmetric key, or a private one, has no place in a public document."""
    uses, operations = key.get("use", "sig"), key.get("key_ops", ["verify"])
    public = key.get("kty") in ("RSA", "EC", "OKP") and "d" not in key
    return public and uses == "sig" and isinstance(operations, list) and "verify" in operations


def _choose(keys: tuple[Jwk, ...], key_id: str | None, algorithm: str) -> Jwk | None:
    fitting = [key for key in keys if key["kty"] == _KTY[algorithm[:2]] and key.get("alg", algorithm) == algorithm]
    if key_id is not None:
        fitting = [key for key in fitting if key.get("kid") == key_id]
    return fitting[0] if len(fitting) == 1 else None


def _unavailable() -> IdentityProviderUnavailable:
    return IdentityProviderUnavailable("the identity provider does not answer: try again later")
