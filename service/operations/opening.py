"""From an image to its record, opened: found, approved where that is needed, authenticated, decrypted."""

from dataclasses import dataclass, field

from service.audit.entry import RecoveryAttempt
from service.errors import (
    ApprovalMissing,
    KeyDestroyed,
    KeyHeldElsewhere,
    KeyVersionUnknown,
    RecordErased,
    RecordUnknown,
)
from service.imaging import Picture, pixels_digest
from service.operations.custody import RecordKeys
from service.operations.parts import Parts
from service.operations.phases import timed
from service.operations.trail import Trail
from service.records.codec import Header, authenticate, read_header, read_record
from service.records.record import Record
from service.records.store import StoredRecord

_ERASED = "the record of this image was erased or has expired: its faces cannot come back"


@dataclass(frozen=True, slots=True)
class Found:
    """A record that was opened, and what it came with.

    Attributes:
        record: decrypted.
        keys: of the record.
        seal: the exact pixels, encrypted; None where they are not kept.
        secret: that the seal's key needs.
    """

    record: Record
    keys: RecordKeys = field(repr=False)
    seal: bytes | None = field(repr=False)
    secret: bytes | None = field(repr=False)


def open_record(picture: Picture, attempt: RecoveryAttempt, parts: Parts, trail: Trail) -> Found:
    """Find the record by id, in the file, or by the hash of the pixels; the id asked for comes first.

    Raises:
        RecordUnknown: the tenant has none of this image.
        RecordErased: it had one.
        RecordRefused: the record is another tenant's, or was changed.
        ApprovalMissing: nobody else has approved it.
        KeyHeldElsewhere: another custodian than the one in use has the key.
        TenantUnknown, KeyVersionUnknown, KeyDestroyed: there is no key for it.
        KeysForbidden, KeysUnavailable: the key is not given out.
    """
    data, stored = _find(picture, attempt, parts, trail)
    header = read_header(data)
    trail.record, trail.key_version = header.id, header.key_version
    if stored is not None:
        _claim_approval(header, attempt, parts, trail)
    with timed(parts.observer, "key"):
        keys = _keys(header, attempt.tenant, parts, owned=stored is not None)
    authenticate(data, keys.mac)
    secret = None if stored is None else stored.secret
    if header.erasable and secret is None:
        raise RecordErased(_ERASED)
    if stored is None:
        # Only now it is known whose record this is: before, nothing may be said of it.
        _claim_approval(header, attempt, parts, trail)
    if header.erasable and secret is not None:
        keys = keys.bound_to(secret)
    record, seal = read_record(data, body_key=keys.body, mac_key=keys.mac)
    if seal is not None:
        return Found(record, keys, seal, secret if header.erasable else None)
    return Found(record, keys, None if stored is None else stored.seal, secret)


def _find(picture: Picture, attempt: RecoveryAttempt, parts: Parts, trail: Trail) -> tuple[bytes, StoredRecord | None]:
    """The record as bytes, and its row if the tenant has one."""
    embedded = picture.record
    header = None if embedded is None else read_header(embedded)
    if attempt.record is not None and (header is None or header.id != attempt.record):
        embedded, header = None, None
    wanted = trail.named = attempt.record or (header.id if header else None)
    if wanted is not None:
        stored = parts.records.by_id(attempt.tenant, wanted)
    else:
        stored = parts.records.by_pixels(attempt.tenant, pixels_digest(picture))
    data = embedded or (stored.record if stored else None)
    if data is not None:
        return data, stored
    if wanted is not None and parts.records.removed(attempt.tenant, wanted):
        raise RecordErased(_ERASED)
    raise RecordUnknown("no record of this image was found")


def _keys(header: Header, tenant: str, parts: Parts, *, owned: bool) -> RecordKeys:
    """The keys of a record; ``owned`` if the database says that it is this tenant's."""
    if header.custodian != parts.keys.custodian:
        raise KeyHeldElsewhere("the key of this image is held by another custodian than the one in use")
    try:
        return RecordKeys.derive(parts.keys, tenant, header.key_version, header.nonce)
    except KeyDestroyed as error:
        if owned:
            raise
        # It may as well be another tenant's, of whose keys nothing may be said.
        raise KeyVersionUnknown("this tenant has no usable key of this version") from error


def _claim_approval(header: Header, attempt: RecoveryAttempt, parts: Parts, trail: Trail) -> None:
    approvals = parts.tenants.policy_of(attempt.tenant).approvals
    if approvals == "none":
        return
    trail.unsure = True
    trail.approval = parts.approvals.claim(
        attempt.tenant,
        record=header.id,
        case=attempt.case,
        but=attempt.subject,
        attempt=attempt.id,
        once=approvals == "once",
    )
    trail.unsure = False
    if trail.approval is None:
        raise ApprovalMissing("somebody else has to approve the recovery of this record, or of this case, first")
