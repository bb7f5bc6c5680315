"""Audit entries: texts fit for the log, and canonical bytes."""

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.audit.entry import Kind, Outcome, RecoveryAttempt, Result, entry_body
from service.errors import AuditValueInvalid, ReasonInvalid
from service.plain_text import validated_text

ID = UUID(int=7)
TIME = datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=timezone(timedelta(hours=2)))


def _attempt(**changes: Any) -> RecoveryAttempt:
    fields: dict[str, Any] = {
        "id": ID,
        "tenant": "acme",
        "subject": "alice",
        "reason": "case of théft",
        "case": None,
        "record": None,
        "image_digest": b"\x01" * 32,
        "request": "r-1",
        "client": "10.0.0.1",
        "time": TIME,
    }
    return RecoveryAttempt(**(fields | changes))


@pytest.mark.parametrize(
    "text", ["", "  \t ", "a" * 1001, "a\nb", "a\r", "\0", "a\x1bb", "a\x7fb", "a\x85b", "a\ud800", "\udfffb"]
)
def test_texts_unfit_for_the_log_are_invalid(text: str) -> None:
    with pytest.raises(ReasonInvalid, match="the reason"):
        validated_text(text)


def test_fit_texts_come_back_without_surrounding_space() -> None:
    assert validated_text("  Aktenzeichen 7 Js 12/26 — 誘拐 🙂 ") == "Aktenzeichen 7 Js 12/26 — 誘拐 🙂"
    assert validated_text(f" {'a' * 1000} ") == "a" * 1000


@given(st.text(st.characters(codec=None), max_size=20))
def test_what_is_valid_is_one_line_that_every_store_takes(text: str) -> None:
    try:
        valid = validated_text(text)
    except ReasonInvalid:
        return
    assert valid == valid.strip() != ""
    assert not any(ord(character) < 32 for character in valid)
    assert valid.encode().decode() == valid


@pytest.mark.parametrize("name", ["subject", "reason", "case", "request", "client"])
def test_no_text_of_an_attempt_escapes_the_rule(name: str) -> None:
    with pytest.raises(ReasonInvalid, match=name):
        _attempt(**{name: "a\ud800"})


def test_the_body_of_an_attempt_is_canonical_and_says_all_of_it() -> None:
    attempt = _attempt()
    assert (
        entry_body("acme", Kind.INTENT, attempt.id, attempt.time, attempt.fields())
        == (
            '{"attempt":"00000000-0000-0000-0000-000000000007","case":null,"client":"10.0.0.1",'
            f'"image_digest":"{"01" * 32}","kind":"intent","lease_until":"2026-01-02T01:19:05.000006+00:00",'
            '"reason":"case of théft","record":null,"request":"r-1",'
            '"subject":"alice","tenant":"acme","time":"2026-01-02T01:04:05.000006+00:00"}'
        ).encode()
    )


def test_the_body_of_an_outcome_says_all_of_it() -> None:
    outcome = Outcome(
        attempt=ID,
        time=TIME.astimezone(UTC),
        result=Result.GRANTED,
        detail="recovered",
        record=ID,
        key_version=3,
        fidelity="exact",
        approval=UUID(int=9),
    )
    body = entry_body("acme", Kind.OUTCOME, outcome.attempt, outcome.time, outcome.fields())
    assert json.loads(body) == {
        "approval": str(UUID(int=9)),
        "attempt": str(ID),
        "detail": "recovered",
        "fidelity": "exact",
        "key_version": 3,
        "kind": "outcome",
        "record": str(ID),
        "result": "granted",
        "tenant": "acme",
        "time": "2026-01-02T01:04:05.000006+00:00",
    }
    assert body == json.dumps(json.loads(body), sort_keys=True, separators=(",", ":")).encode()


def test_keys_are_sorted_as_rfc_8785_sorts_them() -> None:
    body = entry_body("acme", Kind.ERASE, ID, TIME, {"\U0001f642": 1, "\ufb33": None, "a": "\u20ac"})
    assert body.decode().index("\U0001f642") < body.decode().index("\ufb33")
    assert '"a":"\u20ac"' in body.decode()


@pytest.mark.parametrize("value", [2**53, -(2**53), "a\ud800", "a\nb", "\0"])
def test_what_json_or_a_log_cannot_hold_is_invalid(value: str | int) -> None:
    with pytest.raises(AuditValueInvalid):
        entry_body("acme", Kind.ERASE, ID, TIME, {"value": value})


def test_the_largest_integers_are_kept() -> None:
    body = entry_body("acme", Kind.ERASE, ID, TIME, {"least": 1 - 2**53, "most": 2**53 - 1})
    assert json.loads(body)["most"] == 2**53 - 1 and json.loads(body)["least"] == 1 - 2**53


@pytest.mark.parametrize("fields", [{"tenant": "globex"}, {"value": 1.5}, {"value": ["a"]}])
def test_fields_that_would_confuse_a_reader_are_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="entry"):
        entry_body("acme", Kind.ERASE, ID, TIME, fields)


@pytest.mark.parametrize("detail", ["", "File /srv/keys not found", "a" * 65, "Übel", "a\n"])
def test_the_detail_of_an_outcome_is_a_code_and_no_sentence(detail: str) -> None:
    with pytest.raises(ValueError, match="code"):
        Outcome(attempt=ID, time=TIME, result=Result.FAILED, detail=detail)
