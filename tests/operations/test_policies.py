"""What tenants may choose: images that can be shredded, that expire, that never come back."""

from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import uuid4

import numpy as np
import pytest
from numpy.typing import NDArray

from service.errors import (
    PolicyForbids,
    RecordErased,
    RecordUnknown,
)
from service.imaging import decode
from service.operations.anonymize import Anonymized, AnonymizeRequest, anonymize
from service.operations.custody import RecordKeys
from service.operations.erase import erase
from service.operations.parts import Parts
from service.operations.record_request import RecordRequest
from service.operations.recover import RecoverRequest, recover
from service.records.codec import read_header
from service.records.store import RecordStore
from tests.audit.ledger import bodies
from tests.conftest import TENANT
from tests.files import encoded

Pixels = NDArray[np.uint8]

REQUEST = AnonymizeRequest(tenant=TENANT)
ASK = RecoverRequest(tenant=TENANT, subject="auditor", reason="court order")


def choose(parts: Parts, **choices: Any) -> None:
    if not parts.tenants.list():
        parts.tenants.create(TENANT)
    parts.tenants.set(TENANT, **choices)


def logged(parts: Parts, *kinds: str) -> list[dict[str, Any]]:
    entries = bodies(parts.audit._engine, TENANT)
    return [entry for entry in entries if entry["kind"] in kinds]


def erased(made: Anonymized, parts: Parts) -> str:
    assert made.record is not None
    return erase(RecordRequest(tenant=TENANT, subject="clerk", record=made.record), parts)


@pytest.mark.parametrize("seal", ["record", "embed", "off"])
def test_an_erasable_image_comes_back_until_its_row_is_erased(seal: str, parts: Parts, portrait: Pixels) -> None:
    choose(parts, erasable=True, seal=seal)
    made = anonymize(encoded(portrait), REQUEST, parts)
    back = recover(made.data, ASK, parts)
    assert back.verified == ("none" if seal == "off" else "image")
    assert recover(made.data, replace(ASK, fidelity="generative"), parts).fidelity == "generative"
    assert erased(made, parts) == "image"
    for fidelity in ("best", "generative"):
        with pytest.raises(RecordErased):
            recover(made.data, replace(ASK, fidelity=fidelity), parts)
    stripped = encoded(decode(made.data).pixels)
    with pytest.raises(RecordErased):
        recover(stripped, replace(ASK, record=made.record), parts)
    with pytest.raises(RecordUnknown):
        recover(stripped, ASK, parts)
    with pytest.raises(RecordErased):
        erased(made, parts)


def test_every_key_of_an_erasable_image_but_the_macs_needs_the_row(parts: Parts, portrait: Pixels) -> None:
    choose(parts, erasable=True, seal="embed")
    made = anonymize(encoded(portrait), REQUEST, parts)
    assert made.record is not None
    stored = parts.records.by_id(TENANT, made.record)
    assert stored is not None and stored.secret is not None
    header = read_header(stored.record)
    bare = RecordKeys.derive(parts.keys, TENANT, header.key_version, header.nonce)
    bound = bare.bound_to(stored.secret)
    assert bare.mac == bound.mac
    assert bare.body != bound.body
    assert bare.seal(None) != bound.seal(stored.secret)
    assert bare.latents("band-rotation", bytes(32), [0]) != bound.latents("band-rotation", bytes(32), [0])
    assert header.erasable


def test_a_policy_holds_for_images_made_under_it(parts: Parts, portrait: Pixels) -> None:
    before = anonymize(encoded(portrait), REQUEST, parts)
    choose(parts, erasable=True)
    after = anonymize(encoded(portrait), REQUEST, parts)
    choose(parts, erasable=False)
    assert recover(before.data, ASK, parts).verified == recover(after.data, ASK, parts).verified == "image"
    assert (erased(before, parts), erased(after, parts)) == ("exact-copy", "image")
    assert recover(before.data, ASK, parts).fidelity == "generative"
    assert erased(before, parts) == "nothing"


def test_an_erasure_is_in_the_log_and_so_is_a_refused_one(parts: Parts, portrait: Pixels) -> None:
    made = anonymize(encoded(portrait), REQUEST, parts)
    erased(made, parts)
    with pytest.raises(RecordUnknown):
        erase(RecordRequest(tenant=TENANT, subject="clerk", record=uuid4()), parts)
    asked, done, again, refused = logged(parts, "erase", "erased")
    assert (asked["subject"], asked["record"], asked["attempt"]) == ("clerk", str(made.record), done["attempt"])
    assert (done["result"], done["detail"]) == ("granted", "exact-copy")
    assert (again["attempt"], refused["result"], refused["detail"]) == (refused["attempt"], "denied", "record-unknown")


def test_an_expired_image_is_gone_from_that_second_and_after_the_sweep(parts: Parts, portrait: Pixels) -> None:
    choose(parts, erasable=True, lifetime=timedelta(hours=1))
    made = anonymize(encoded(portrait), REQUEST, parts)
    assert recover(made.data, ASK, parts).verified == "image"
    assert made.record is not None
    stored = parts.records.by_id(TENANT, made.record)
    assert stored is not None and stored.expires == stored.created + timedelta(hours=1)
    engine = parts.records._engine
    for late in (stored.expires, stored.expires + timedelta(days=1)):
        then = replace(parts, records=RecordStore(engine, lambda late=late: late))
        with pytest.raises(RecordErased):
            recover(made.data, ASK, then)
        with pytest.raises(RecordErased):
            recover(encoded(decode(made.data).pixels), replace(ASK, record=made.record), then)
    early = replace(parts, records=RecordStore(engine, lambda: stored.expires - timedelta(microseconds=1)))
    assert recover(made.data, ASK, early).verified == "image"
    assert parts.records.purge_expired() == 0
    assert then.records.purge_expired() == 1
    for whenever in (early, then):
        with pytest.raises(RecordErased):
            recover(made.data, ASK, whenever)


def test_an_irreversible_image_leaves_nothing_to_recover_it_by(parts: Parts, portrait: Pixels) -> None:
    choose(parts, irreversible=True)
    first, second = (anonymize(encoded(portrait), REQUEST, parts) for _ in range(2))
    assert first.record is None and len(first.faces) == 1
    shown = decode(first.data)
    assert shown.record is None
    assert parts.records.count_by_key_version(TENANT, "local") == {}
    assert (decode(second.data).pixels != shown.pixels).any()
    assert (shown.pixels != portrait).any()
    with pytest.raises(RecordUnknown):
        recover(first.data, ASK, parts)
    assert anonymize(encoded(portrait), replace(REQUEST, seal="off"), parts).record is None
    with pytest.raises(PolicyForbids):
        anonymize(encoded(portrait), replace(REQUEST, seal="record"), parts)
