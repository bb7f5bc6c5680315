"""The keys of one record, and the plan of its faces: what both verbs derive in the same way."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from service.core.scheme import Plan
from service.core.transform import Scheme
from service.keys.derive import Purpose, framed, record_context, subkey
from service.keys.provider import KeyProvider
from service.records.record import Record
from service.weights.manifest import Numerics

_MAX_NFE = 49
"""Network evaluations per direction."""


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

    def latents(self, scheme: Scheme, bundle_digest: bytes, draws: Sequence[int]) -> list[bytes]:
        """Drive the keyed transform, one key per face and draw.

        Args:
            draws: of every face, the number of the draw, 0 to 255.
        """
        secret = (self._secret,) if self._secret else ()
        bindings = (framed(scheme.encode(), bundle_digest, bytes([draw]), *secret) for draw in draws)
        return [subkey(self._record_key, Purpose.LATENT, face=i, binding=b) for i, b in enumerate(bindings)]

    def latents_of(self, record: Record) -> list[bytes]:
        """Those that the faces of a record were drawn with."""
        return self.latents(record.scheme, record.bundle_digest, [face.draw for face in record.faces])

    def __repr__(self) -> str:
        return "RecordKeys(***)"


def plan_of(record: Record) -> Plan:
    """The plan a record was made with."""
    return Plan(record.scheme, record.steps, record.evaluations, record.grid, record.t0, record.t1, record.taus)


def plan_for(numerics: Numerics, scheme: Scheme, *, lossy: bool, depth: Literal[8, 16] = 8) -> Plan:
    """The plan of new faces.

    Args:
        lossy: whether the output loses pixels.
        depth: of the output. Sixteen bits keep more than K evaluations settle: they get as many as the budget allows.
    """
    evaluations = numerics.evaluations if depth == 8 else max(numerics.evaluations, (_MAX_NFE - 1) // numerics.steps)
    t0 = numerics.t0_lossy if lossy else numerics.t0
    return Plan(scheme, numerics.steps, evaluations, numerics.grid, t0, numerics.t1, numerics.taus)
