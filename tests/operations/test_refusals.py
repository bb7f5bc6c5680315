"""Wrong record, wrong tenant, changed image: refused, and in the audit log."""

from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from service.audit.entry import Outcome, RecoveryAttempt
from service.audit.log import AuditLog
from service.errors import (
    AuditUnavailable,
    BundleUnknown,
    KeyDestroyed,
    KeyHeldElsewhere,
    KeyVersionUnknown,
    ReasonInvalid,
    RecordMismatch,
    RecordRefused,
    VisardError,
)
from service.imaging import Picture, decode, encode
from service.operations.anonymize import AnonymizeRequest, anonymize
from service.operations.parts import Parts
from service.operations.recover import RecoverRequest, recover
from tests.audit.ledger import bodies
from tests.conftest import TENANT
from tests.files import encoded

Pixels = NDArray[np.uint8]

REQUEST = AnonymizeRequest(tenant=TENANT)
ASK = RecoverRequest(tenant=TENANT, subject="auditor", reason="court order", case="4711")


def _outcomes(parts: Parts, tenant: str = TENANT) -> list[dict[str, str]]:
    return bodies(parts.audit._engine, tenant)


def _with_record(picture: Picture, record: bytes | None) -> bytes:
    return encode(picture, format="png", record=record, metadata="strip")


def test_record_moved_to_another_image(parts: Parts, portrait: Pixels, two_faces: Pixels) -> None:
    first = decode(anonymize(encoded(portrait), REQUEST, parts).data)
    other = np.ascontiguousarray(portrait[:, ::-1])
    second = decode(anonymize(encoded(other), REQUEST, parts).data)
    third = decode(anonymize(encoded(two_faces), REQUEST, parts).data)
    for picture in (second, third):
        for fidelity in ("best", "generative"):
            with pytest.raises(RecordMismatch):
                recover(_with_record(picture, first.record), replace(ASK, fidelity=fidelity), parts)


def test_face_swapped_for_another_stranger_of_the_same_scene(parts: Parts, portrait: Pixels) -> None:
    first, second = (decode(anonymize(encoded(portrait), REQUEST, parts).data) for _ in range(2))
    with pytest.raises(RecordMismatch):
        recover(_with_record(second, first.record), ASK, parts)


def test_sticker_on_a_face(parts: Parts, portrait: Pixels) -> None:
    made = anonymize(encoded(portrait), REQUEST, parts)
    shown = decode(made.data)
    left, top, right, bottom = made.faces[0].box
    x, y = (left + right) // 2, (top + bottom) // 2
    pixels = shown.pixels.copy()
    pixels[y - 10 : y + 10, x - 10 : x + 10] = 255
    for fidelity in ("best", "generative"):
        with pytest.raises(RecordMismatch):
            recover(_with_record(replace(shown, pixels=pixels), shown.record), replace(ASK, fidelity=fidelity), parts)


@pytest.mark.parametrize("at", [0.2, 0.5, 0.9])
def test_damaged_record(at: float, parts: Parts, portrait: Pixels) -> None:
    made = decode(anonymize(encoded(portrait), REQUEST, parts).data)
    record = bytearray(made.record or b"")
    record[int(at * len(record))] ^= 1
    with pytest.raises(RecordRefused):
        recover(_with_record(made, bytes(record)), ASK, parts)


def test_another_tenant_gets_nothing(parts: Parts, portrait: Pixels) -> None:
    made = anonymize(encoded(portrait), REQUEST, parts)
    parts.keys.create("other")
    for ask in (replace(ASK, tenant="other"), replace(ASK, tenant="other", record=made.record)):
        with pytest.raises(VisardError):
            recover(made.data, ask, parts)
        with pytest.raises(VisardError):
            recover(encoded(decode(made.data).pixels), ask, parts)
    assert [entry["kind"] for entry in _outcomes(parts, "other")] == ["intent", "outcome"] * 4
    assert all(entry["result"] == "denied" for entry in _outcomes(parts, "other") if entry["kind"] == "outcome")


def test_destroyed_key(parts: Parts, portrait: Pixels) -> None:
    made = anonymize(encoded(portrait), REQUEST, parts)
    parts.keys.rotate(TENANT)
    assert recover(made.data, ASK, parts).verified == "image"
    parts.keys.destroy(TENANT, 1)
    with pytest.raises(KeyDestroyed):
        recover(made.data, ASK, parts)


def test_a_destroyed_key_says_nothing_of_an_image_that_may_be_anothers(parts: Parts, portrait: Pixels) -> None:
    made = anonymize(encoded(portrait), REQUEST, parts)
    parts.keys.create("other")
    parts.keys.rotate("other")
    parts.keys.destroy("other", 1)
    with pytest.raises(KeyVersionUnknown):
        recover(made.data, replace(ASK, tenant="other"), parts)


class _HeldElsewhere:
    custodian = "vault-kv"


def test_a_key_of_another_custodian_is_not_asked_for(parts: Parts, portrait: Pixels) -> None:
    made = anonymize(encoded(portrait), REQUEST, parts)
    with pytest.raises(KeyHeldElsewhere):
        recover(made.data, ASK, replace(parts, keys=_HeldElsewhere()))
    assert _outcomes(parts)[-1]["detail"] == "key-held-elsewhere"


def test_missing_weights_refuse_generative_but_not_exact(parts: Parts, portrait: Pixels, tmp_path: Path) -> None:
    from service.engine import Engine
    from service.weights.bundles import Bundles
    from tests.small_bundle import write_small_bundle

    made = anonymize(encoded(portrait), REQUEST, parts)
    bundles = Bundles.open(write_small_bundle(tmp_path / "other", seed=2))
    elsewhere = replace(parts, bundles=bundles, engine=Engine(bundles))
    assert recover(made.data, ASK, elsewhere).verified == "image"
    with pytest.raises(BundleUnknown):
        recover(made.data, replace(ASK, fidelity="generative"), elsewhere)


def test_every_attempt_leaves_intent_and_outcome(parts: Parts, portrait: Pixels) -> None:
    made = anonymize(encoded(portrait), REQUEST, parts)
    recover(made.data, ASK, parts)
    with pytest.raises(VisardError):
        recover(encoded(portrait), ASK, parts)
    with pytest.raises(VisardError):
        recover(b"no image", ASK, parts)
    intent, granted, _, denied, _, invalid = _outcomes(parts)
    assert (intent["kind"], intent["reason"], intent["case"]) == ("intent", "court order", "4711")
    assert granted["attempt"] == intent["attempt"]
    assert (granted["result"], granted["fidelity"], granted["record"]) == ("granted", "exact", str(made.record))
    assert (denied["result"], denied["detail"]) == ("denied", "record-unknown")
    assert (invalid["result"], invalid["detail"]) == ("invalid", "unsupported-format")


@pytest.mark.parametrize("text", ["", "   ", "two\nlines", "\ud800"])
@pytest.mark.parametrize("name", ["reason", "case"])
def test_reason_and_case_must_be_readable(name: str, text: str, parts: Parts) -> None:
    with pytest.raises(ReasonInvalid):
        recover(b"an image", replace(ASK, **{name: text}), parts)
    intent, outcome = _outcomes(parts)
    said = {"reason": "court order", "case": "4711", name: "(given, but not fit for the log)"}
    assert (intent["reason"], intent["case"]) == (said["reason"], said["case"])
    assert intent["image_digest"] == sha256(b"an image").hexdigest()
    assert (outcome["result"], outcome["detail"]) == ("invalid", "reason-invalid")


class _LogThatFails(AuditLog):
    def __init__(self, real: AuditLog, fail_intent: bool) -> None:
        self._real, self._fail_intent = real, fail_intent

    def intend(self, attempt: RecoveryAttempt) -> None:
        if self._fail_intent:
            raise AuditUnavailable("the audit log does not answer")
        self._real.intend(attempt)

    def conclude(self, outcome: Outcome) -> None:
        raise AuditUnavailable("the audit log does not answer")


class _NoKeys:
    def __getattr__(self, name: str) -> None:
        raise AssertionError(f"{name} was asked for before the intent was committed")


def test_no_key_is_fetched_before_the_intent_is_committed(parts: Parts, portrait: Pixels) -> None:
    made = anonymize(encoded(portrait), REQUEST, parts)
    blind = replace(parts, audit=_LogThatFails(parts.audit, fail_intent=True), keys=_NoKeys())
    with pytest.raises(AuditUnavailable):
        recover(made.data, ASK, blind)


def test_nothing_is_handed_out_when_the_outcome_is_not_committed(parts: Parts, portrait: Pixels) -> None:
    made = anonymize(encoded(portrait), REQUEST, parts)
    with pytest.raises(AuditUnavailable):
        recover(made.data, ASK, replace(parts, audit=_LogThatFails(parts.audit, fail_intent=False)))
