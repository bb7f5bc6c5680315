"""What is kept of an anonymization, and under which keys: the tenant's policy decides."""

import os
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from uuid import UUID, uuid4

import numpy as np
from numpy.typing import NDArray

from service.custodian import Custodian
from service.errors import PolicyForbids
from service.keys.derive import KEY_BYTES
from service.keys.provider import KeyProvider
from service.operations.custody import RecordKeys
from service.records.codec import write_record
from service.records.record import NONCE_BYTES, Record
from service.records.seal import seal_pixels
from service.records.store import StoredRecord
from service.tenancy import Policy, SealPolicy

_SECRET_BYTES = 32


def chosen_policy(policy: Policy, seal: SealPolicy | None) -> Policy:
    """The tenant's policy, with the seal that the caller asked for.

    Raises:
        PolicyForbids: a seal of what must not come back.
    """
    if seal is None:
        return policy
    if policy.irreversible and seal != "off":
        raise PolicyForbids("this tenant's images are irreversible: nothing is kept of their faces")
    return replace(policy, seal=seal)


@dataclass(frozen=True, slots=True)
class NewImage:
    """Keys of a new image, and what of them must be kept. They are good for one record: another try needs others.

    Attributes:
        record: id of the record.
        tenant: whose image.
        policy: what the tenant has chosen.
        custodian: who holds the tenant's master key.
        key_version: of that key; 0 where it has no part.
        nonce: 16 fresh random bytes.
        keys: of the image.
        secret: for the database row; None where no key needs one.
        created: now.
    """

    record: UUID
    tenant: str
    policy: Policy
    custodian: Custodian
    key_version: int
    nonce: bytes
    keys: RecordKeys
    secret: bytes | None = field(repr=False)
    created: datetime

    @classmethod
    def begin(cls, tenant: str, policy: Policy, keys: KeyProvider) -> "NewImage":
        """Make the keys of a new image. Those of an irreversible one are random and nowhere else.

        Raises:
            TenantUnknown, KeyDestroyed, KeysForbidden, KeysUnavailable: as the provider does.
        """
        record, nonce, created = uuid4(), os.urandom(NONCE_BYTES), datetime.now(UTC)
        if policy.irreversible:
            mine = RecordKeys(os.urandom(KEY_BYTES))
            return cls(record, tenant, policy, keys.custodian, 0, nonce, mine, None, created)
        version = keys.current_version(tenant)
        mine = RecordKeys.derive(keys, tenant, version, nonce)
        secret = os.urandom(_SECRET_BYTES) if policy.erasable or policy.seal == "record" else None
        if policy.erasable and secret is not None:
            mine = mine.bound_to(secret)
        return cls(record, tenant, policy, keys.custodian, version, nonce, mine, secret, created)

    @property
    def expires(self) -> datetime | None:
        """When the image can no longer be recovered."""
        return None if self.policy.lifetime is None else self.created + self.policy.lifetime


def written(record: Record, hidden: NDArray[np.generic], new: NewImage) -> tuple[bytes, StoredRecord]:
    """The record to embed, and the one to store before the image is handed out; the policy decides about the seal.

    Args:
        record: of the image.
        hidden: (n, 3) or (n, 4), the original samples under the mask.
    """
    policy, keys = new.policy, new.keys
    seal = None
    if policy.seal != "off":
        raw = hidden.astype(hidden.dtype.newbyteorder(">")).tobytes()
        seal = seal_pixels(raw, keys.seal(new.secret), record.id)
    plain = write_record(record, body_key=keys.body, mac_key=keys.mac, seal=None, erasable=policy.erasable)
    stored = StoredRecord(
        id=record.id,
        tenant=new.tenant,
        custodian=record.custodian,
        key_version=record.key_version,
        created=new.created,
        pixels_digest=record.pixels_digest,
        record=plain,
        seal=seal if policy.seal == "record" else None,
        secret=new.secret,
        erasable=policy.erasable,
        expires=new.expires,
    )
    if policy.seal != "embed":
        return plain, stored
    embedded = write_record(record, body_key=keys.body, mac_key=keys.mac, seal=seal, erasable=policy.erasable)
    return embedded, stored
