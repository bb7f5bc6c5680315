"""What tenants may choose: images that can be shredded, that expire, that never come back, that need two persons."""

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from threading import Barrier
from typing import Any
from uuid import uuid4

import numpy as np
import pytest
from numpy.typing import NDArray

from service.access.approvals import ApprovalStore
from service.audit.entry import LEASE
from service.errors import (
    ApprovalInvalid,
    ApprovalMissing,
    DatabaseUnavailable,
    EngineBusy,
    PolicyForbids,
    RecordErased,
    RecordMismatch,
    RecordUnknown,
    Unavailable,
)
from service.imaging import decode
from service.operations.anonymize import Anonymized, AnonymizeRequest, anonymize
from service.operations.approve import ApproveRequest, approve
from service.operations.custody import RecordKeys
from service.operations.erase import erase
from service.operations.parts import Parts
from service.operations.record_request import RecordRequest
from service.operations.recover import RecoverRequest, recover
from service.records.codec import read_header
from service.records.store import RecordStore
from tests.operations.conftest import TENANT, Encoder
from tests.waiting import until

Pixels = NDArray[np.uint8]

REQUEST = AnonymizeRequest(tenant=TENANT)
ASK = RecoverRequest(tenant=TENANT, subject="auditor", reason="court order")
TOMORROW = datetime.now(UTC) + timedelta(days=1)


def choose(parts: Parts, **choices: Any) -> None:
    if not parts.tenants.list():
        parts.tenants.create(TENANT)
    parts.tenants.set(TENANT, **choices)


def logged(parts: Parts, *kinds: str) -> list[dict[str, Any]]:
    entries = [json.loads(entry.body) for entry in parts.audit.entries(TENANT, 100)]
    return [entry for entry in entries if entry["kind"] in kinds]


def erased(made: Anonymized, parts: Parts) -> str:
    assert made.record is not None
    return erase(RecordRequest(tenant=TENANT, subject="clerk", record=made.record), parts)


@pytest.mark.parametrize("seal", ["record", "embed", "off"])
def test_an_erasable_image_comes_back_until_its_row_is_erased(
    seal: str, parts: Parts, portrait: Pixels, encoded: Encoder
) -> None:
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


def test_every_key_of_an_erasable_image_but_the_macs_needs_the_row(
    parts: Parts, portrait: Pixels, encoded: Encoder
) -> None:
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
    assert bare.latents("band-rotation", bytes(32), 1) != bound.latents("band-rotation", bytes(32), 1)
    assert header.erasable


def test_a_policy_holds_for_images_made_under_it(parts: Parts, portrait: Pixels, encoded: Encoder) -> None:
    before = anonymize(encoded(portrait), REQUEST, parts)
    choose(parts, erasable=True)
    after = anonymize(encoded(portrait), REQUEST, parts)
    choose(parts, erasable=False)
    assert recover(before.data, ASK, parts).verified == recover(after.data, ASK, parts).verified == "image"
    assert (erased(before, parts), erased(after, parts)) == ("exact-copy", "image")
    assert recover(before.data, ASK, parts).fidelity == "generative"
    assert erased(before, parts) == "nothing"


def test_an_erasure_is_in_the_log_and_so_is_a_refused_one(parts: Parts, portrait: Pixels, encoded: Encoder) -> None:
    made = anonymize(encoded(portrait), REQUEST, parts)
    erased(made, parts)
    with pytest.raises(RecordUnknown):
        erase(RecordRequest(tenant=TENANT, subject="clerk", record=uuid4()), parts)
    asked, done, again, refused = logged(parts, "erase", "erased")
    assert (asked["subject"], asked["record"], asked["attempt"]) == ("clerk", str(made.record), done["attempt"])
    assert (done["result"], done["detail"]) == ("granted", "exact-copy")
    assert (again["attempt"], refused["result"], refused["detail"]) == (refused["attempt"], "denied", "record-unknown")


def test_an_expired_image_is_gone_from_that_second_and_after_the_sweep(
    parts: Parts, portrait: Pixels, encoded: Encoder
) -> None:
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


def test_an_irreversible_image_leaves_nothing_to_recover_it_by(
    parts: Parts, portrait: Pixels, encoded: Encoder
) -> None:
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


def approved(parts: Parts, **choices: Any) -> str:
    ask = {"record": None, "case": None, "reason": "warrant", "expires": TOMORROW, "subject": "judge"} | choices
    return str(approve(ApproveRequest(tenant=TENANT, **ask), parts).id)


def test_a_recovery_needs_somebody_else(parts: Parts, portrait: Pixels, encoded: Encoder) -> None:
    choose(parts, approvals="once")
    made = anonymize(encoded(portrait), REQUEST, parts)
    with pytest.raises(ApprovalMissing):
        recover(made.data, ASK, parts)
    approved(parts, record=made.record, subject=ASK.subject)
    approved(parts, case="7/26")
    with pytest.raises(ApprovalMissing):
        recover(made.data, replace(ASK, case="8/26"), parts)
    given = approved(parts, record=made.record)
    assert recover(made.data, ASK, parts).verified == "image"
    assert recover(made.data, replace(ASK, case="7/26"), parts).verified == "image"
    with pytest.raises(ApprovalMissing):
        recover(made.data, replace(ASK, case="7/26"), parts)
    ends = [(entry["detail"], entry["approval"]) for entry in logged(parts, "outcome")]
    assert [detail for detail, _ in ends] == ["approval-missing"] * 2 + ["recovered"] * 2 + ["approval-missing"]
    assert ends[2][1] == given
    assert logged(parts, "approval")[2]["attempt"] == given
    assert logged(parts, "approval")[2]["subject"] == "judge"


def test_a_record_only_the_file_holds_needs_an_approval_too(parts: Parts, portrait: Pixels, encoded: Encoder) -> None:
    choose(parts, approvals="once", seal="embed")
    made = anonymize(encoded(portrait), REQUEST, parts)
    approved(parts, record=made.record)
    assert made.record is not None and parts.records.delete(TENANT, made.record)
    assert recover(made.data, ASK, parts).verified == "image"
    with pytest.raises(ApprovalMissing):
        recover(made.data, ASK, parts)


def test_no_key_is_touched_without_an_approval(
    parts: Parts, portrait: Pixels, encoded: Encoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    choose(parts, approvals="once")
    made = anonymize(encoded(portrait), REQUEST, parts)

    def touched(*_: object) -> bytes:
        raise AssertionError("a key was fetched")

    monkeypatch.setattr(type(parts.keys), "record_key", touched)
    with pytest.raises(ApprovalMissing):
        recover(made.data, ASK, parts)


def test_an_approval_may_count_until_it_expires(parts: Parts, portrait: Pixels, encoded: Encoder) -> None:
    choose(parts, approvals="until-expiry")
    made = anonymize(encoded(portrait), REQUEST, parts)
    approved(parts, record=made.record)
    for _ in range(2):
        assert recover(made.data, ASK, parts).verified == "image"
    late = ApprovalStore(parts.approvals._engine, lambda: TOMORROW)
    with pytest.raises(ApprovalMissing):
        recover(made.data, ASK, replace(parts, approvals=late))


def test_what_hands_nothing_out_uses_no_approval_up(
    parts: Parts, portrait: Pixels, encoded: Encoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    choose(parts, approvals="once")
    made = anonymize(encoded(portrait), REQUEST, parts)
    approved(parts, record=made.record)

    def busy(*_: object) -> None:
        raise EngineBusy("full")

    monkeypatch.setattr(type(parts.engine), "recover", busy)
    with pytest.raises(EngineBusy):
        recover(made.data, replace(ASK, fidelity="generative"), parts)
    with pytest.raises(RecordMismatch):
        recover(encoded(portrait[:, ::-1]), replace(ASK, record=made.record), parts)
    assert recover(made.data, ASK, parts).verified == "image"


@pytest.mark.parametrize(
    ("fails", "image", "request_of"),
    [
        ("engine.recover audit.conclude", "made", {"fidelity": "generative"}),
        ("records.owners", "another", {}),
        ("audit.conclude", "made", {}),
    ],
)
def test_what_the_log_withholds_uses_no_approval_up(
    fails: str,
    image: str,
    request_of: dict[str, Any],
    parts: Parts,
    portrait: Pixels,
    encoded: Encoder,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    choose(parts, approvals="once")
    made = anonymize(encoded(portrait), REQUEST, parts)
    approved(parts, record=made.record)
    images = {"made": made.data, "another": encoded(portrait[:, ::-1])}

    def away(*_: object, **__: object) -> None:
        raise DatabaseUnavailable("away")

    with monkeypatch.context() as patch:
        for name in fails.split():
            part, method = name.split(".")
            patch.setattr(type(getattr(parts, part)), method, away)
        with pytest.raises(Unavailable):
            recover(images[image], replace(ASK, record=made.record, **request_of), parts)
    assert recover(made.data, ASK, parts).verified == "image"


def test_a_long_recovery_keeps_its_lease(
    parts: Parts, portrait: Pixels, encoded: Encoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.audit.log._RENEWED_EVERY_S", 0.01)
    made = anonymize(encoded(portrait), REQUEST, parts)
    real = type(parts.engine).recover

    def slow(*arguments: Any, **options: Any) -> Any:
        end = datetime.now(UTC) + LEASE
        assert len(parts.audit.expired(end)) == 1
        until(lambda: parts.audit.expired(end) == [])
        return real(*arguments, **options)

    monkeypatch.setattr(type(parts.engine), "recover", slow)
    assert recover(made.data, replace(ASK, fidelity="generative"), parts).fidelity == "generative"


def test_two_recoveries_at_once_do_not_share_an_approval(parts: Parts, portrait: Pixels, encoded: Encoder) -> None:
    choose(parts, approvals="once")
    made = anonymize(encoded(portrait), REQUEST, parts)
    approved(parts, record=made.record)
    together = Barrier(4)

    def attempt() -> str:
        together.wait()
        try:
            return recover(made.data, ASK, parts).verified
        except ApprovalMissing:
            return "missing"

    with ThreadPoolExecutor(4) as pool:
        results = [pool.submit(attempt) for _ in range(4)]
    assert sorted(result.result() for result in results) == ["image", "missing", "missing", "missing"]


@pytest.mark.parametrize(
    "choices",
    [
        {},
        {"record": uuid4(), "case": "7/26"},
        {"case": "7/26", "expires": datetime.now(UTC)},
        {"case": "7/26", "expires": datetime.now(UTC) + timedelta(days=400)},
    ],
)
def test_what_cannot_be_approved(choices: dict[str, Any], parts: Parts) -> None:
    with pytest.raises(ApprovalInvalid):
        approved(parts, **choices)
    assert logged(parts, "approval") == []


def test_a_record_that_is_not_there_cannot_be_approved(parts: Parts) -> None:
    with pytest.raises(RecordUnknown):
        approved(parts, record=uuid4())
    (entry,) = logged(parts, "approval")
    assert (entry["result"], entry["detail"]) == ("denied", "record-unknown")
