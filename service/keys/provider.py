"""What every key custody must offer. The master key itself never crosses this interface."""

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from service.custodian import Custodian


@dataclass(frozen=True, slots=True)
class KeyVersion:
    """One version of a tenant's master key.

    Attributes:
        version: counts from 1.
        created: timezone-aware; None where the custody forgot it with the key.
        destroyed: its records can never be recovered again.
        withheld: it is not given out now, but whoever administers the custody can bring it back.
    """

    version: int
    created: datetime | None
    destroyed: bool
    withheld: bool = False


class KeyProvider(Protocol):
    """Versioned master keys, one row of versions per tenant.

    Every method raises ``TenantInvalid`` for a name that no tenant can have, ``KeysUnavailable`` when the custody
    does not answer or withholds a key for now, and ``KeysForbidden`` when it denies this service the request.
    """

    @property
    def custodian(self) -> Custodian:
        """Its name in the records."""
        ...

    def check(self) -> None:
        """Let pass a custody that could answer a request now.

        Raises:
            KeysUnavailable, KeysForbidden: it could not.
        """
        ...

    def close(self) -> None:
        """Forget what is cached and stop what runs in the background."""
        ...

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
        """Crypto-shred one version and no other. Destroying it again changes nothing.

        Raises:
            DestructionRefused: this custody cannot destroy it without others, or while it is the current one.
            TenantUnknown: no key was ever made.
            KeyVersionUnknown: the tenant has no such version.
        """
        ...
