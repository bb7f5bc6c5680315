"""Destroy versions of a tenant's key, and with them every image that needs them."""

from datetime import UTC, datetime
from uuid import uuid4

from service.audit.entry import Kind
from service.audit.log import AuditLog
from service.errors import KeyVersionUnknown
from service.keys.provider import KeyProvider
from service.records.store import RecordStore


def doomed(tenant: str, version: int, keys: KeyProvider, records: RecordStore, *, up_to: bool) -> dict[int, int]:
    """The versions that ``shred`` would have to destroy, oldest first, and how many images need each.

    Args:
        up_to: all versions up to this one, instead of this one alone.

    Raises:
        TenantUnknown, KeyVersionUnknown: there is no such key.
        KeysUnavailable, KeysForbidden, DatabaseUnavailable: it cannot be found out.
    """
    listed = keys.versions(tenant)
    if not 1 <= version <= len(listed):
        raise KeyVersionUnknown("this tenant has no such key version")
    images = records.count_by_key_version(tenant, keys.custodian)
    chosen = listed[:version] if up_to else [listed[version - 1]]
    return {key.version: images.get(key.version, 0) for key in chosen if not key.destroyed}


def shred(
    tenant: str, version: int, keys: KeyProvider, records: RecordStore, audit: AuditLog, *, subject: str, reason: str
) -> None:
    """Destroy one version, between two committed entries of the audit log.

    Args:
        subject: who does it.
        reason: why.

    Raises:
        AuditUnavailable: an entry could not be committed; without the first one nothing is destroyed.
        DestructionRefused: the custody cannot destroy this version as things are.
        TenantUnknown, KeyVersionUnknown: there is no such key.
        KeysUnavailable, KeysForbidden: it is not known to be destroyed.
    """
    attempt = uuid4()
    images = records.count_by_key_version(tenant, keys.custodian).get(version, 0)
    facts = {"custodian": keys.custodian, "key_version": version, "images": images}
    told = {**facts, "reason": reason, "subject": subject}
    audit.append(tenant, Kind.KEY_DESTRUCTION, attempt, told, datetime.now(UTC))
    keys.destroy(tenant, version)
    audit.append(tenant, Kind.KEY_DESTROYED, attempt, facts, datetime.now(UTC))
