"""The audit log over HTTP: pages, filters, and proofs that an auditor checks by themself."""

import base64
from datetime import datetime
from hashlib import sha256
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import text

from service.access.principal import Scope
from service.audit.checkpoint import SignedCheckpoint
from service.audit.tree import leaf_hash, verify_consistency, verify_inclusion
from service.database.engine import transaction
from tests.api.conftest import OTHER, TENANT, Service, assert_problem


@pytest.fixture
def attempts(service: Service, grey: bytes) -> list[dict[str, Any]]:
    """Three denied recoveries, six entries; the entries as they are listed, and those of earlier tests before them."""
    for case in ("a-1", "a-2", "a-1"):
        service.post("/v1/recover", "recover", grey, reason="test", case=case)
    return _all(service)


def _get(service: Service, path: str, **query: object) -> Any:
    answer = service.request("GET", f"/v1/audit/{path}", "audit", params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


def _all(service: Service, **query: object) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    page = _get(service, "entries", **query)
    while True:
        found += page["entries"]
        if page["next"] is None:
            return found
        page = _get(service, "entries", cursor=page["next"], **query)


def _bytes(text: str) -> bytes:
    return base64.b64decode(text, validate=True)


def test_pages_hold_every_entry_of_the_tenant_once(service: Service, attempts: list[dict[str, Any]]) -> None:
    assert [entry["index"] for entry in attempts] == list(range(len(service.entries())))
    assert [entry["entry"] for entry in attempts] == service.entries()
    page = _get(service, "entries", limit=4)
    assert (page["entries"], page["next"]) == (attempts[:4], "3")
    assert _all(service, limit=5) == attempts
    assert _get(service, "entries", limit=len(attempts)) == {"entries": attempts, "next": None}
    assert {entry["entry"]["tenant"] for entry in attempts} == {TENANT}


def test_filters_choose_by_what_the_entries_say(service: Service, attempts: list[dict[str, Any]]) -> None:
    mine = attempts[-6:]
    assert _all(service, case="a-1")[-2:] == [mine[0], mine[4]]
    assert _all(service, kind="outcome", result="denied", limit=1)[-3:] == mine[1::2]
    assert _all(service, subject="court", kind="intent")[-3:] == mine[::2]
    assert _all(service, record=uuid4()) == _all(service, subject="nobody") == []
    middle = mine[2]["entry"]["time"]
    assert _all(service, since=middle)[0] == mine[2]
    assert _all(service, until=middle)[-1] == mine[1]
    assert datetime.fromisoformat(middle).tzinfo is not None


def test_an_attempt_is_found_by_its_id(service: Service, attempts: list[dict[str, Any]]) -> None:
    attempt = attempts[-2]["entry"]["attempt"]
    assert _get(service, f"entries/{attempt}") == {"entries": attempts[-2:], "next": None}
    assert_problem(service.request("GET", f"/v1/audit/entries/{uuid4()}", "audit"), 404, "audit-entry-unknown")


def test_another_tenants_entries_do_not_exist(service: Service, attempts: list[dict[str, Any]]) -> None:
    attempt = attempts[-1]["entry"]["attempt"]
    assert_problem(service.request("GET", f"/v1/audit/entries/{attempt}", "other-audit"), 404, "audit-entry-unknown")
    listed = service.request("GET", "/v1/audit/entries", "other-audit", params={"limit": 1000}).json()["entries"]
    assert {entry["entry"]["tenant"] for entry in listed} <= {OTHER}
    service.post("/v1/recover", "other", b"", reason="test")
    note = service.request("GET", "/v1/audit/checkpoint", "other-audit").text
    assert SignedCheckpoint.parse(note).checkpoint.origin == f"visard/{OTHER}"


def test_every_entry_is_proved_under_the_newest_checkpoint(service: Service, attempts: list[dict[str, Any]]) -> None:
    answer = service.request("GET", "/v1/audit/checkpoint", "audit")
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    newest = SignedCheckpoint.parse(answer.text).checkpoint
    assert newest.size == len(attempts)
    for entry in attempts[-4:]:
        leaf, old = leaf_hash(_bytes(entry["body"])), SignedCheckpoint.parse(entry["checkpoint"]).checkpoint
        proof = _get(service, "proofs/inclusion", index=entry["index"], size=newest.size)
        assert verify_inclusion(leaf, entry["index"], newest.size, list(map(_bytes, proof["hashes"])), newest.root)
        assert verify_inclusion(leaf, entry["index"], old.size, list(map(_bytes, entry["proof"])), old.root)
        steps = _get(service, "proofs/consistency", first=old.size, second=newest.size)
        hashes = list(map(_bytes, steps["hashes"]))
        assert verify_consistency(old.size, newest.size, hashes, old.root, newest.root)


@pytest.mark.parametrize(
    ("path", "slug"),
    [
        ("entries?limit=0", "parameter-invalid"),
        ("entries?limit=1001", "parameter-invalid"),
        ("entries?cursor=x", "parameter-invalid"),
        ("entries?cursor=9999999999999999999", "parameter-invalid"),
        ("entries?kind=party", "parameter-invalid"),
        ("entries?since=2026-01-01T00:00:00", "parameter-invalid"),
        ("entries?since=0001-01-01T00:00:00%2B14:00", "parameter-invalid"),
        ("entries?until=0.0", "parameter-invalid"),
        ("entries?since=2026-01-01T00Z", "parameter-invalid"),
        ("entries?tenant=newspaper", "parameter-invalid"),
        ("entries/7", "parameter-invalid"),
        ("proofs/inclusion?index=0", "parameter-invalid"),
        ("proofs/inclusion?index=-1&size=1", "parameter-invalid"),
        ("proofs/inclusion?index=1&size=1", "audit-range-invalid"),
        ("proofs/inclusion?index=0&size=9007199254740991", "audit-range-invalid"),
        ("proofs/consistency?first=3&second=2", "audit-range-invalid"),
        ("proofs/consistency?first=1e3&second=2", "parameter-invalid"),
    ],
)
def test_what_nobody_can_ask(path: str, slug: str, service: Service, attempts: list[dict[str, Any]]) -> None:
    assert_problem(service.request("GET", f"/v1/audit/{path}", "audit"), 422, slug)


def test_a_log_somebody_wrote_nonsense_into_is_still_readable(service: Service, grey: bytes) -> None:
    """Auditors must see what is there; ``verify`` says what it is."""
    desk = service.desk
    engine = desk.parts.audits._engine
    row = "INSERT INTO audit_entries VALUES ('globex', 0, x'00', 'nonsense', 'today', x'ff', x'00', 'none')"
    with transaction(engine) as connection:
        connection.execute(text(row))
    desk.tenants.create("globex")
    service.tokens["globex"] = desk.tokens.create("globex", "auditor", [Scope.AUDIT])[1]
    (entry,) = service.request("GET", "/v1/audit/entries", "globex").json()["entries"]
    assert (entry["entry"], entry["body"], entry["checkpoint"]) == (None, "/w==", "none")


def test_the_log_says_of_an_invalid_recovery_what_was_handed_in(service: Service, photo: bytes) -> None:
    record, digest = str(uuid4()), sha256(photo).hexdigest()
    unfit = "(given, but not fit for the log)"
    for fields, reason, case in (
        ({"reason": " ", "case": "7/26"}, unfit, "7/26"),
        ({"case": "7/26"}, "(none given)", "7/26"),
        ({"reason": "fine", "case": "nul\0"}, "fine", unfit),
        ({"reason": "fine", "faces": "all"}, "fine", None),
        ({"reason": "x" * 2000, "fidelity": "most"}, unfit, None),
    ):
        assert service.post("/v1/recover", "recover", photo, record=record, **fields).status_code == 422
        intent, outcome = service.entries()[-2:]
        assert (intent["reason"], intent["case"], intent["record"]) == (reason, case, record)
        assert (intent["image_digest"], outcome["result"]) == (digest, "invalid")
    assert service.post("/v1/recover", "recover", photo, record="none", reason="fine").status_code == 422
    assert service.entries()[-2]["record"] is None
    assert service.post("/v1/recover", "recover", None, reason="fine").status_code == 422
    assert service.entries()[-2]["reason"] == "(none: ended before the request was read)"
