"""An Ed25519 key that never leaves Vault: its transit engine signs the checkpoints of the audit log.

Public key and signatures are those of RFC 8032, as with a key in a file; only who holds the key differs.
"""

import base64
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from hvac import Client
from pydantic import BaseModel

from service.errors import KeysForbidden, KeysUnavailable, SigningKeyUnusable
from service.keys.vault_errors import VaultMissing, VaultRejected
from service.keys.vault_session import VaultSession

_T = TypeVar("_T")

_VERSION = 1
"""The first, always: whoever checks a log has one public key for all of it."""
_TYPE = "ed25519"
_THREADS = 4


class VaultSigner:
    """Signs with the first version of a transit key; threads may share it. Vault is asked when it is first used."""

    def __init__(self, session: VaultSession, *, mount: str, key: str, patience_s: float) -> None:
        """Use a session, and close it at the end.

        Args:
            mount: of the engine.
            key: its name; of type ed25519 and not derived.
            patience_s: for one answer, with logging in and repeating; a log is locked meanwhile.
        """
        self._session = session
        self._mount = mount
        self._key = key
        self._patience_s = patience_s
        self._known: bytes | None = None
        # Nobody waits for what hangs in one of them; it ends by the timeouts of the session.
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="visard-signing")

    def __repr__(self) -> str:
        return "VaultSigner(***)"

    @property
    def public_key(self) -> bytes:
        """The 32 bytes of the public key, read once.

        Raises:
            KeysUnavailable: Vault does not answer in time.
            SigningKeyUnusable: it has no such key, or does not let us use it.
        """
        if self._known is None:
            self._known = self._read()
        return self._known

    def sign(self, message: bytes) -> bytes:
        """The 64 bytes of the signature, which the public key confirms.

        Raises:
            KeysUnavailable, SigningKeyUnusable: as ``public_key``; or another key signed.
        """
        text = base64.b64encode(message).decode()

        def signed(client: Client) -> bytes:
            answer = client.secrets.transit.sign_data(
                self._key, hash_input=text, key_version=_VERSION, mount_point=self._mount
            )
            return _signature_in(answer)

        signature = self._ask(signed)
        try:
            Ed25519PublicKey.from_public_bytes(self.public_key).verify(signature, message)
        except InvalidSignature:
            raise SigningKeyUnusable("the key custody has another signing key than before") from None
        return signature

    def check(self) -> None:
        """Let pass a Vault that has the key, and the same as before.

        Raises:
            KeysUnavailable, SigningKeyUnusable: as ``public_key``.
        """
        if self._read() != self.public_key:
            raise SigningKeyUnusable("the key custody has another signing key than before")

    def close(self) -> None:
        """Start nothing more, and close the session."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._session.close()

    def _read(self) -> bytes:
        def read(client: Client) -> _Key:
            return _KeyAnswer.model_validate(client.secrets.transit.read_key(self._key, mount_point=self._mount)).data

        return _public_key_of(self._ask(read))

    def _ask(self, request: Callable[[Client], _T]) -> _T:
        answer = self._threads.submit(self._session.call, request)
        try:
            return answer.result(self._patience_s)
        except TimeoutError:
            answer.cancel()
            raise KeysUnavailable("the key custody does not answer in time") from None
        except KeysForbidden:
            raise SigningKeyUnusable("the key custody denies this service the key of the audit log") from None
        except (VaultMissing, VaultRejected):
            raise SigningKeyUnusable("the key custody has no key for the audit log, or withholds it") from None


class _Key(BaseModel):
    type: str
    keys: dict[int, Any]


class _KeyAnswer(BaseModel):
    data: _Key


class _Signature(BaseModel):
    signature: str


class _SignatureAnswer(BaseModel):
    data: _Signature


def _public_key_of(key: _Key) -> bytes:
    """Of its first version, which Vault forgets when the key is trimmed."""
    if key.type != _TYPE or _VERSION not in key.keys:
        raise SigningKeyUnusable("the key of the audit log in the key custody is of another type, or was trimmed")
    encoded = key.keys[_VERSION].get("public_key", "")
    try:
        return Ed25519PublicKey.from_public_bytes(base64.b64decode(encoded, validate=True)).public_bytes_raw()
    except ValueError:
        raise SigningKeyUnusable(
            "the key of the audit log in the key custody has no public key: is it derived?"
        ) from None


def _signature_in(answer: Any) -> bytes:
    """Written ``vault:v1:BASE64``.

    Raises:
        ValueError: the answer is not as documented, or another version signed.
    """
    prefix, _, encoded = _SignatureAnswer.model_validate(answer).data.signature.rpartition(":")
    if prefix != f"vault:v{_VERSION}":
        raise ValueError("not the signature that was asked for")
    return base64.b64decode(encoded, validate=True)
