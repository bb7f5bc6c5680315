"""What every key custody must offer. The master key itself never crosses this interface."""

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True, slots=True)
class KeyVersion:
    """One version of a tenant's master key.

    Attributes:
        version: counts from 1.
        created: timezone-aware.
        destroyed: its records can never be recovered again.
    """

    version: int
    created: datetime
    destroyed: bool


class KeyProvider(Protocol):
    """Versioned master keys, one row of versions per tenant.

    Every method raises ``TenantInvalid`` for a name that no tenant can have, and ``KeysUnavailable``
    when the custody does not answer.
    """

    def create(self, tenant: str) -> int:
        """Make the tenant's first key, version 1, unless it has one. Returns the current version.

        Raises:
            KeyDestroyed: the tenant exists and its current version was destroyed.
        """
        ...

    def current_version(self, tenant: str) -> int:
        """The version that new records use.

        Raises:
            TenantUnknown: no key was ever made.
            KeyDestroyed: the newest version was destroyed; ``rotate`` makes another.
        """
        ...

    def record_key(self, tenant: str, version: int, context: bytes) -> bytes:
        """The 32-byte key of one record: HKDF-Expand-SHA256(master, context) of RFC 5869, section 2.3.

        Raises:
            TenantUnknown: no key was ever made.
            KeyVersionUnknown: the tenant has no such version.
            KeyDestroyed: that version was destroyed.
        """
        ...

    def rotate(self, tenant: str) -> int:
        """Make a new current version and return its number; older versions stay usable.

        Raises:
            TenantUnknown: no key was ever made.
        """
        ...

    def versions(self, tenant: str) -> list[KeyVersion]:
        """All versions, oldest first.

        Raises:
            TenantUnknown: no key was ever made.
        """
        ...

    def destroy(self, tenant: str, version: int) -> None:
        """Crypto-shred one version, the current one included. Destroying it again changes nothing.

        Raises:
            TenantUnknown: no key was ever made.
            KeyVersionUnknown: the tenant has no such version.
        """
        ...
