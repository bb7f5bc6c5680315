"""Recoveries that need a second person: who counts, how often, and when an approval comes back."""

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from threading import Barrier
from typing import Any
from uuid import uuid4

import pytest

from service.access.approvals import ApprovalStore, release
from service.audit.entry import LEASE
from service.errors import (
    ApprovalInvalid,
    ApprovalMissing,
    CallerGone,
    DatabaseUnavailable,
    EngineBusy,
    RecordMismatch,
    RecordUnknown,
    Unavailable,
)
from service.operations.anonymize import anonymize
from service.operations.approve import ApproveRequest, approve
from service.operations.parts import Parts
from service.operations.recover import recover
from tests.conftest import TENANT
from tests.files import encoded
from tests.operations.test_policies import ASK, REQUEST, Pixels, choose, logged
from tests.waiting import until

TOMORROW = datetime.now(UTC) + timedelta(days=1)


def approved(parts: Parts, **choices: Any) -> str:
    ask = {"record": None, "case": None, "reason": "warrant", "expires": TOMORROW, "subject": "judge"} | choices
    return str(approve(ApproveRequest(tenant=TENANT, **ask), parts).id)


def test_a_recovery_needs_somebody_else(parts: Parts, portrait: Pixels) -> None:
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


def test_a_record_only_the_file_holds_needs_an_approval_too(parts: Parts, portrait: Pixels) -> None:
    choose(parts, approvals="once", seal="embed")
    made = anonymize(encoded(portrait), REQUEST, parts)
    approved(parts, record=made.record)
    assert made.record is not None and parts.records.delete(TENANT, made.record)
    assert recover(made.data, ASK, parts).verified == "image"
    with pytest.raises(ApprovalMissing):
        recover(made.data, ASK, parts)


def test_no_key_is_touched_without_an_approval(parts: Parts, portrait: Pixels, monkeypatch: pytest.MonkeyPatch) -> None:
    choose(parts, approvals="once")
    made = anonymize(encoded(portrait), REQUEST, parts)

    def touched(*_: object) -> bytes:
        raise AssertionError("a key was fetched")

    monkeypatch.setattr(type(parts.keys), "record_key", touched)
    with pytest.raises(ApprovalMissing):
        recover(made.data, ASK, parts)


def test_an_approval_may_count_until_it_expires(parts: Parts, portrait: Pixels) -> None:
    choose(parts, approvals="until-expiry")
    made = anonymize(encoded(portrait), REQUEST, parts)
    approved(parts, record=made.record)
    for _ in range(2):
        assert recover(made.data, ASK, parts).verified == "image"
    late = ApprovalStore(parts.approvals._engine, lambda: TOMORROW)
    with pytest.raises(ApprovalMissing):
        recover(made.data, ASK, replace(parts, approvals=late))


def test_what_hands_nothing_out_uses_no_approval_up(
    parts: Parts, portrait: Pixels, monkeypatch: pytest.MonkeyPatch
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


@pytest.mark.parametrize("back_at_once", [True, False])
def test_a_claim_whose_answer_is_lost_uses_no_approval_up(
    back_at_once: bool, parts: Parts, portrait: Pixels, monkeypatch: pytest.MonkeyPatch
) -> None:
    choose(parts, approvals="once")
    made = anonymize(encoded(portrait), REQUEST, parts)
    approved(parts, record=made.record)
    real = ApprovalStore.claim

    def away(*_: object, **__: object) -> None:
        raise DatabaseUnavailable("away")

    def lost(*arguments: Any, **options: Any) -> None:
        assert real(*arguments, **options) is not None
        away()

    with monkeypatch.context() as patch:
        patch.setattr(ApprovalStore, "claim", lost)
        if not back_at_once:
            patch.setattr(ApprovalStore, "release", away)
        with pytest.raises(DatabaseUnavailable):
            recover(made.data, ASK, parts)
    left = parts.audit.expired(datetime.now(UTC) + LEASE)
    assert len(left) == (0 if back_at_once else 1)
    for died in left:
        parts.audit.interrupt(died, datetime.now(UTC) + LEASE, release)
    details = [entry["detail"] for entry in logged(parts, "outcome")]
    assert details == ["database-unavailable" if back_at_once else "lease-expired"]
    assert recover(made.data, ASK, parts).verified == "image"


def test_a_long_recovery_keeps_its_lease(parts: Parts, portrait: Pixels, monkeypatch: pytest.MonkeyPatch) -> None:
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


def test_two_recoveries_at_once_do_not_share_an_approval(parts: Parts, portrait: Pixels) -> None:
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


def test_who_is_gone_has_no_key_fetched_and_no_approval_used(
    parts: Parts, portrait: Pixels, monkeypatch: pytest.MonkeyPatch
) -> None:
    choose(parts, approvals="once")
    made = anonymize(encoded(portrait), REQUEST, parts)
    approved(parts, record=made.record)
    gone, fetch = threading.Event(), parts.keys.record_key

    def leave_meanwhile(*arguments: object) -> bytes:
        gone.set()
        return fetch(*arguments)

    for fetched in (leave_meanwhile, lambda *_: pytest.fail("a key was fetched")):
        with monkeypatch.context() as patched:
            patched.setattr(parts.keys, "record_key", fetched)
            with pytest.raises(CallerGone):
                recover(made.data, ASK, parts, gone=gone)
        outcome = logged(parts, "outcome")[-1]
        assert (outcome["result"], outcome["detail"]) == ("failed", "caller-gone")
    assert recover(made.data, ASK, parts).verified == "image"
