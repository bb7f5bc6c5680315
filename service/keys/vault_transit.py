"""Master keys that never leave Vault: its transit engine computes the keys of records.

HKDF-Expand of one block is HMAC(master, context || 0x01) (RFC 5869, section 2.3), and HMAC-SHA256 is what transit
does with an underived key of a given version. The keys of records are therefore made as with every other custodian.
"""

import base64
from collections.abc import Callable

from hvac import Client

from service.custodian import Custodian
from service.errors import DestructionRefused, KeyDestroyed, KeysUnavailable, KeyVersionUnknown, TenantUnknown
from service.keys.cache import CurrentVersions
from service.keys.provider import KeyVersion
from service.keys.vault_errors import VaultMissing, VaultRejected
from service.keys.vault_names import vault_name
from service.keys.vault_session import VaultSession
from service.keys.vault_transit_key import TransitKey, key_of, mac_of

_FIRST_BLOCK = b"\x01"
_TYPE = "aes256-gcm96"
# OpenBao 2.7 refuses one of two changes of a key at the same moment, and then gives out what it has not stored:
# a version that the next restart loses, with every image made with it. The next change that works stores it too.
_TRIES = 8


class VaultTransitKeyStore:
    """A ``KeyProvider`` on a transit engine."""

    def __init__(self, session: VaultSession, *, mount: str, prefix: str, cache_s: float) -> None:
        """Use a session.

        Args:
            mount: of the engine.
            prefix: of the names of the keys.
            cache_s: how long the numbers of current versions are remembered.
        """
        self._session = session
        self._mount = mount
        self._prefix = prefix
        self._current = CurrentVersions(cache_s)

    def __repr__(self) -> str:
        return "VaultTransitKeyStore(***)"

    @property
    def custodian(self) -> Custodian:
        """See ``KeyProvider.custodian``."""
        return "vault-transit"

    def check(self) -> None:
        """See ``KeyProvider.check``."""
        self._session.check()
        self._key("nobody")

    def close(self) -> None:
        """See ``KeyProvider.close``."""
        self._session.close()

    def create(self, tenant: str) -> int:
        """See ``KeyProvider.create``."""
        if self._key(tenant) is None:
            # Making a key that exists changes nothing.
            self._change(
                lambda client: client.secrets.transit.create_key(
                    self._name(tenant),
                    key_type=_TYPE,
                    derived=False,
                    exportable=False,
                    allow_plaintext_backup=False,
                    mount_point=self._mount,
                )
            )
        return self._existing(tenant).latest

    def current_version(self, tenant: str) -> int:
        """See ``KeyProvider.current_version``."""
        return self._current.get(tenant, lambda: self._existing(tenant).latest)

    def record_key(self, tenant: str, version: int, context: bytes) -> bytes:
        """See ``KeyProvider.record_key``."""
        message = base64.b64encode(context + _FIRST_BLOCK).decode()

        def computed(client: Client) -> bytes:
            answer = client.secrets.transit.generate_hmac(
                self._name(tenant), message, key_version=version, algorithm="sha2-256", mount_point=self._mount
            )
            return mac_of(answer, version)

        if version < 1:
            # Transit takes 0 for the newest one.
            raise KeyVersionUnknown("this tenant has no such key version")
        try:
            return self._session.call(computed)
        except (VaultRejected, VaultMissing):
            key = self._existing(tenant)
        if version > key.latest:
            raise KeyVersionUnknown("this tenant has no such key version")
        if version < key.first:
            raise KeyDestroyed("the key of this record was destroyed")
        raise KeysUnavailable("the key custody withholds this version by its min_encryption_version")

    def rotate(self, tenant: str) -> int:
        """See ``KeyProvider.rotate``."""
        self._existing(tenant)
        # A version too many does no harm.
        self._change(lambda client: client.secrets.transit.rotate_key(self._name(tenant), mount_point=self._mount))
        self._current.forget(tenant)
        return self._existing(tenant).latest

    def versions(self, tenant: str) -> list[KeyVersion]:
        """See ``KeyProvider.versions``."""
        key = self._existing(tenant)
        return [key.listed(version) for version in range(1, key.latest + 1)]

    def destroy(self, tenant: str, version: int) -> None:
        """See ``KeyProvider.destroy``. Transit trims from the oldest version upwards, and never the newest."""
        key = self._existing(tenant)
        if not 1 <= version <= key.latest:
            raise KeyVersionUnknown("this tenant has no such key version")
        if version < key.first:
            return
        if version > key.first:
            raise DestructionRefused(
                f"Vault's transit engine destroys keys from the oldest upwards: version {key.first} comes first"
            )
        if version == key.latest:
            raise DestructionRefused("Vault's transit engine cannot destroy the newest version of a key: rotate first")
        self._trim(tenant, key, version + 1)
        if self._existing(tenant).first <= version:
            raise KeysUnavailable("the key custody did not destroy the key")

    def _trim(self, tenant: str, key: TransitKey, first: int) -> None:
        """Leave the versions from ``first`` on. Interrupted, it may be done again."""
        name = self._name(tenant)
        # In this order: encryption is never allowed below what decryption is.
        if key.min_encryption_version < first:
            self._change(
                lambda client: client.secrets.transit.update_key_configuration(
                    name, min_encryption_version=first, mount_point=self._mount
                )
            )
        if key.min_decryption_version < first:
            self._change(
                lambda client: client.secrets.transit.update_key_configuration(
                    name, min_decryption_version=first, mount_point=self._mount
                )
            )
        self._change(lambda client: client.secrets.transit.trim_key(name, min_version=first, mount_point=self._mount))

    def _change(self, request: Callable[[Client], object]) -> None:
        try:
            self._session.call(request, tries=_TRIES)
        except (VaultRejected, VaultMissing):
            pass
        else:
            return
        raise KeysUnavailable("the key custody did not carry out a change of the key")

    def _existing(self, tenant: str) -> TransitKey:
        key = self._key(tenant)
        if key is None:
            raise TenantUnknown("this tenant has no key")
        return key

    def _key(self, tenant: str) -> TransitKey | None:
        def read(client: Client) -> TransitKey:
            answer = client.secrets.transit.read_key(self._name(tenant), mount_point=self._mount)
            return key_of(answer)

        try:
            return self._session.read(read)
        except VaultMissing:
            return None

    def _name(self, tenant: str) -> str:
        return f"{self._prefix}{vault_name(tenant)}"
