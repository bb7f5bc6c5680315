"""The keys of one record, and the plan of its faces: what both verbs derive in the same way."""

from dataclasses import dataclass, replace

from service.core.scheme import Plan
from service.core.transform import Scheme
from service.keys.derive import Purpose, framed, record_context, subkey
from service.keys.provider import KeyProvider
from service.records.record import Record


@dataclass(frozen=True, slots=True)
class RecordKeys:
    """Sub-keys of one record; the master key never gets here."""

    _record_key: bytes
    _secret: bytes = b""

    @classmethod
    def derive(cls, keys: KeyProvider, tenant: str, key_version: int, nonce: bytes) -> "RecordKeys":
        """Ask the custodian for the record's key.

        Raises:
            TenantUnknown, KeyVersionUnknown, KeyDestroyed, KeysForbidden, KeysUnavailable: as the provider does.
        """
        return cls(keys.record_key(tenant, key_version, record_context(tenant, key_version, nonce)))

    def bound_to(self, secret: bytes) -> "RecordKeys":
        """The keys of an erasable record: gone with the database row that holds ``secret``.

        Only the MAC's key stays what it was, so that it can still be told whose record this was.
        """
        return replace(self, _secret=secret)

    @property
    def body(self) -> bytes:
        """Encrypts the body of the record."""
        return subkey(self._record_key, Purpose.HEADER, binding=self._secret)

    @property
    def mac(self) -> bytes:
        """Authenticates the whole record."""
        return subkey(self._record_key, Purpose.MAC)

    def seal(self, secret: bytes | None) -> bytes:
        """Encrypts the exact pixels; ``secret`` is the database row's, None for a seal that needs no row."""
        return subkey(self._record_key, Purpose.SEAL, binding=secret or b"")

    def latents(self, scheme: Scheme, bundle_digest: bytes, faces: int) -> list[bytes]:
        """Drive the keyed transform, one key per face."""
        secret = (self._secret,) if self._secret else ()
        binding = framed(scheme.encode(), bundle_digest, *secret)
        return [subkey(self._record_key, Purpose.LATENT, face=i, binding=binding) for i in range(faces)]

    def __repr__(self) -> str:
        return "RecordKeys(***)"


def plan_of(record: Record) -> Plan:
    """The plan a record was made with."""
    return Plan(record.scheme, record.steps, record.evaluations, record.grid, record.t0, record.t1, record.taus)
