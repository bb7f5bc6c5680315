"""Master keys in Vault's KV engine, version 2: one secret per tenant and version, written once.

Each key version is a secret of its own, ``PATH/TENANT/N``, so that the engine's ``max_versions`` never prunes one.
"""

import secrets
from datetime import UTC, datetime

from hvac import Client

from service.custodian import Custodian
from service.errors import KeyDestroyed, KeysForbidden, KeysUnavailable, KeyVersionUnknown, TenantUnknown
from service.keys.cache import CurrentVersions, MasterKeyCache
from service.keys.derive import KEY_BYTES, expand
from service.keys.provider import KeyVersion
from service.keys.vault_errors import VaultMissing, VaultRejected
from service.keys.vault_kv_secret import SecretState, content, key_in, names_in, state_in, state_of_missing
from service.keys.vault_names import vault_name
from service.keys.vault_session import VaultSession

_ROTATIONS_AT_ONCE = 8


class VaultKvKeyStore:
    """A ``KeyProvider`` on a KV engine."""

    def __init__(self, session: VaultSession, *, mount: str, path: str, cache_s: float) -> None:
        """Use a session.

        Args:
            mount: of the engine.
            path: below which the secrets are.
            cache_s: how long master keys and the numbers of current versions are remembered.
        """
        self._session = session
        self._mount = mount
        self._root = path
        self._masters = MasterKeyCache(cache_s)
        self._current = CurrentVersions(cache_s)

    def __repr__(self) -> str:
        return "VaultKvKeyStore(***)"

    @property
    def custodian(self) -> Custodian:
        """See ``KeyProvider.custodian``."""
        return "vault-kv"

    def check(self) -> None:
        """See ``KeyProvider.check``."""
        self._session.check()
        self._numbers("nobody")

    def close(self) -> None:
        """See ``KeyProvider.close``."""
        self._masters.clear()
        self._session.close()

    def create(self, tenant: str) -> int:
        """See ``KeyProvider.create``."""
        if not self._numbers(tenant):
            self._write(tenant, 1)
        return self._newest(tenant)

    def current_version(self, tenant: str) -> int:
        """See ``KeyProvider.current_version``."""
        return self._current.get(tenant, lambda: self._newest(tenant))

    def record_key(self, tenant: str, version: int, context: bytes) -> bytes:
        """See ``KeyProvider.record_key``."""
        master = self._masters.get(tenant, version)
        if master is None:
            master = self._read(tenant, version)
            self._masters.put(tenant, version, master)
        return expand(master, context)

    def rotate(self, tenant: str) -> int:
        """See ``KeyProvider.rotate``."""
        for _ in range(_ROTATIONS_AT_ONCE):
            version = self._existing(tenant)[-1] + 1
            # Not repeated: if only the answer was lost, there would be two new versions.
            if self._write(tenant, version, tries=1):
                self._current.forget(tenant)
                self._newest(tenant)
                return version
        raise KeysUnavailable("too many rotate the key of this tenant at once: try again")

    def versions(self, tenant: str) -> list[KeyVersion]:
        """See ``KeyProvider.versions``."""
        present = self._existing(tenant)
        return [self._listed(tenant, number, number in present) for number in range(1, present[-1] + 1)]

    def destroy(self, tenant: str, version: int) -> None:
        """See ``KeyProvider.destroy``."""
        present = self._existing(tenant)
        if not 1 <= version <= present[-1]:
            raise KeyVersionUnknown("this tenant has no such key version")
        if version in present and not self._state(tenant, version).destroyed:
            # All there may be: somebody may have written over the secret with rights we do not have.
            numbers = self._state(tenant, version).numbers
            self._session.call(
                lambda client: client.secrets.kv.v2.destroy_secret_versions(
                    self._path(tenant, version), numbers, mount_point=self._mount
                )
            )
            if not self._state(tenant, version).destroyed:
                raise KeysUnavailable("the key custody did not destroy the key")
        self._masters.forget(tenant, version)
        self._current.forget(tenant)

    def _newest(self, tenant: str) -> int:
        version = self._existing(tenant)[-1]
        state = self._state(tenant, version)
        if state.destroyed:
            raise KeyDestroyed("the current key of this tenant was destroyed: rotate to make a new one")
        if state.deletion_time is not None:
            # Deleted, or going to be: images made with it could not be recovered before somebody steps in.
            raise KeysUnavailable("the current key of this tenant is deleted in the key custody, or will be by itself")
        return version

    def _read(self, tenant: str, version: int) -> bytes:
        def read(client: Client) -> bytes:
            answer = client.secrets.kv.v2.read_secret_version(
                self._path(tenant, version), version=1, mount_point=self._mount, raise_on_deleted_version=True
            )
            return key_in(answer)

        if version < 1:
            raise KeyVersionUnknown("this tenant has no such key version")
        try:
            return self._session.read(read)
        except VaultMissing as missing:
            state = state_of_missing(missing.body)
        if state is None:
            self._explain_absence(tenant, version)
        elif state.destroyed:
            raise KeyDestroyed("the key of this record was destroyed")
        raise KeysUnavailable("this key is deleted in the key custody, which can undo it")

    def _explain_absence(self, tenant: str, version: int) -> None:
        """Raise for a secret of which nothing is left, not even that it was destroyed."""
        if version > self._existing(tenant)[-1]:
            raise KeyVersionUnknown("this tenant has no such key version")
        raise KeyDestroyed("the key of this record was destroyed")

    def _write(self, tenant: str, version: int, *, tries: int | None = None) -> bool:
        """Write a fresh key where there is none; False if somebody was faster."""
        fresh = content(secrets.token_bytes(KEY_BYTES))
        try:
            self._session.call(
                lambda client: client.secrets.kv.v2.create_or_update_secret(
                    self._path(tenant, version), fresh, cas=0, mount_point=self._mount
                ),
                tries=tries,
            )
        except (VaultRejected, KeysForbidden) as error:
            # Who may create but not update is forbidden to write what exists by now.
            exists, denied = version in self._numbers(tenant), isinstance(error, KeysForbidden)
        else:
            return True
        if exists:
            return False
        if denied:
            raise KeysForbidden("the key custody denies this service to make a key")
        raise KeysUnavailable("the key custody did not take a new key")

    def _existing(self, tenant: str) -> list[int]:
        numbers = self._numbers(tenant)
        if not numbers:
            raise TenantUnknown("this tenant has no key")
        return numbers

    def _numbers(self, tenant: str) -> list[int]:
        """Of the tenant's secrets, sorted."""
        folder = f"{self._root}/{vault_name(tenant)}"

        def listed(client: Client) -> list[str]:
            return names_in(client.secrets.kv.v2.list_secrets(folder, mount_point=self._mount))

        try:
            names = self._session.read(listed)
        except VaultMissing:
            return []
        return sorted(int(name) for name in names if name.isdecimal())

    def _listed(self, tenant: str, version: int, present: bool) -> KeyVersion:
        if not present:
            return KeyVersion(version, None, destroyed=True)
        state = self._state(tenant, version)
        withheld = state.deletion_time is not None and state.deletion_time <= datetime.now(UTC)
        return KeyVersion(version, state.created_time, state.destroyed, withheld=withheld and not state.destroyed)

    def _state(self, tenant: str, version: int) -> SecretState:
        def read(client: Client) -> SecretState:
            answer = client.secrets.kv.v2.read_secret_metadata(self._path(tenant, version), mount_point=self._mount)
            return state_in(answer)

        try:
            return self._session.read(read)
        except VaultMissing:
            pass
        raise KeysUnavailable("a key vanished from the key custody while it was looked at")

    def _path(self, tenant: str, version: int) -> str:
        return f"{self._root}/{vault_name(tenant)}/{version}"
