"""A keystore in a directory, for development: a passphrase at most, no hardware, not for production."""

import fcntl
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from threading import Lock

from service.custodian import Custodian
from service.errors import KeyDestroyed, KeystoreInsecure, KeysUnavailable, KeyVersionUnknown, TenantUnknown
from service.keys.derive import KEY_BYTES, expand
from service.keys.keyfile import INSECURE, KeyFile, StoredKey, read_key_file, replace_key_file
from service.keys.passphrase import COST, Wrapping
from service.keys.provider import KeyVersion
from service.private_files import OpenToOthers, require_private
from service.tenancy import checked_tenant

_PROTECTED = "the local keystore is protected: set VISARD_KEYSTORE_PASSPHRASE"
_UNPROTECTED = "the local keystore has no passphrase yet: VISARD_KEYSTORE_PASSPHRASE gives it one"


class LocalKeyStore:
    """A ``KeyProvider`` that keeps one owner-only JSON file per tenant.

    Several processes may share the directory. A destroyed key leaves the file; what the file system or its
    backups keep of older blocks is out of reach here, one more reason not to use it in production.

    With a passphrase new keys are wrapped with it, and older ones as soon as they are used or changed.
    """

    def __init__(self, directory: Path, passphrase: str | None = None, *, cost: int = COST) -> None:
        """Use ``directory``, which is created (0700) when it is missing.

        Args:
            passphrase: protects the keys at rest.
            cost: of stretching it, for a directory in which none was used before.

        Raises:
            KeystoreInsecure: it exists and is accessible to others.
            KeysUnavailable: it cannot be created or read.
        """
        self._directory = directory
        # No tenant name starts with a dot, so neither this nor the lock can collide with a key file.
        self._stretching = directory / ".passphrase.json"
        self._passphrase = passphrase
        self._cost = cost
        self._unwrapping: Wrapping | None = None
        self._unlocking = Lock()
        try:
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            require_private(directory.stat().st_mode)
        except OpenToOthers as error:
            raise KeystoreInsecure(INSECURE) from error
        except OSError as error:
            raise KeysUnavailable("the local keystore cannot be opened") from error

    def __repr__(self) -> str:
        return "LocalKeyStore(***)"

    @property
    def custodian(self) -> Custodian:
        """See ``KeyProvider.custodian``."""
        return "local"

    def check(self) -> None:
        """See ``KeyProvider.check``."""
        try:
            os.listdir(self._directory)
        except OSError as error:
            raise KeysUnavailable("the local keystore cannot be read") from error

    def close(self) -> None:
        """See ``KeyProvider.close``."""

    def create(self, tenant: str) -> int:
        """See ``KeyProvider.create``."""
        path = self._path(tenant)
        with self._locked():
            if read_key_file(path) is None:
                replace_key_file(path, KeyFile(keys=(self._new_key(tenant, 1),)))
        return self.current_version(tenant)

    def current_version(self, tenant: str) -> int:
        """See ``KeyProvider.current_version``."""
        newest = self._read(tenant).keys[-1]
        if newest.gone:
            raise KeyDestroyed("the current key of this tenant was destroyed: rotate to make a new one")
        return newest.version

    def record_key(self, tenant: str, version: int, context: bytes) -> bytes:
        """See ``KeyProvider.record_key``."""
        key = _find(self._read(tenant), version)
        if key.gone:
            raise KeyDestroyed("the key of this record was destroyed")
        if key.master is not None and self._passphrase is not None:
            with self._locked():
                self._wrap_all(tenant, self._read(tenant))
        return expand(self._master(tenant, key), context)

    def rotate(self, tenant: str) -> int:
        """See ``KeyProvider.rotate``."""
        with self._locked():
            file = self._read(tenant)
            fresh = self._new_key(tenant, file.keys[-1].version + 1)
            self._wrap_all(tenant, file.model_copy(update={"keys": (*file.keys, fresh)}))
        return fresh.version

    def versions(self, tenant: str) -> list[KeyVersion]:
        """See ``KeyProvider.versions``."""
        return [KeyVersion(key.version, key.created, key.gone) for key in self._read(tenant).keys]

    def destroy(self, tenant: str, version: int) -> None:
        """See ``KeyProvider.destroy``."""
        with self._locked():
            file = self._read(tenant)
            target = _find(file, version)
            if target.gone:
                return
            remaining = tuple(key.destroyed(datetime.now(UTC)) if key is target else key for key in file.keys)
            self._wrap_all(tenant, file.model_copy(update={"keys": remaining}))

    def change_passphrase(self, new: str) -> None:
        """Protect the keystore with ``new`` instead of the passphrase it was opened with.

        Raises:
            KeysUnavailable: it was opened with none or with a wrong one, or cannot be written.
        """
        if self._passphrase is None:
            raise KeysUnavailable(_PROTECTED if self._stretching.exists() else _UNPROTECTED)
        with self._locked():
            # Somebody else may have changed it since we opened the keystore.
            wrapping = Wrapping.open(self._stretching, self._passphrase, self._cost)
            wrapping.protect(self._stretching, new, self._cost)
        self._passphrase = new

    def _new_key(self, tenant: str, version: int) -> StoredKey:
        if self._passphrase is None and self._stretching.exists():
            raise KeysUnavailable(_PROTECTED)
        key = StoredKey(version=version, created=datetime.now(UTC), master=secrets.token_bytes(KEY_BYTES))
        return self._wrapped(tenant, key)

    def _wrap_all(self, tenant: str, file: KeyFile) -> None:
        """Write the file, its keys wrapped if there is a passphrase. The caller holds the lock."""
        keys = tuple(self._wrapped(tenant, key) for key in file.keys)
        replace_key_file(self._path(tenant), file.model_copy(update={"keys": keys}))

    def _wrapped(self, tenant: str, key: StoredKey) -> StoredKey:
        if key.master is None or self._passphrase is None:
            return key
        wrapped = self._wrapping().wrap(key.master, tenant, key.version)
        return key.model_copy(update={"master": None, "wrapped": wrapped})

    def _master(self, tenant: str, key: StoredKey) -> bytes:
        return key.master or self._wrapping().unwrap(key.wrapped or b"", tenant, key.version)

    def _wrapping(self) -> Wrapping:
        """Stretched when it is first needed: not everybody who opens the keystore needs a key."""
        if self._passphrase is None:
            raise KeysUnavailable(_PROTECTED)
        with self._unlocking:
            if self._unwrapping is None:
                self._unwrapping = Wrapping.open(self._stretching, self._passphrase, self._cost)
            return self._unwrapping

    def _path(self, tenant: str) -> Path:
        return self._directory / f"{checked_tenant(tenant)}.json"

    def _read(self, tenant: str) -> KeyFile:
        file = read_key_file(self._path(tenant))
        if file is None:
            raise TenantUnknown("this tenant has no key")
        return file

    @contextmanager
    def _locked(self) -> Iterator[None]:
        try:
            descriptor = os.open(self._directory / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise KeysUnavailable("the local keystore cannot be locked") from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)


def _find(file: KeyFile, version: int) -> StoredKey:
    for key in file.keys:
        if key.version == version:
            return key
    raise KeyVersionUnknown("this tenant has no such key version")
