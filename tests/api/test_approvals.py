"""Approvals over HTTP."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.api.conftest import TENANT, Service, assert_problem

SOON = (datetime.now(UTC) + timedelta(hours=1)).isoformat()


@pytest.fixture
def needed(service: Service) -> Iterator[None]:
    """The tenant while its recoveries need a second person."""
    service.desk.parts.tenants.set(TENANT, approvals="once")
    yield
    service.desk.parts.tenants.set(TENANT, approvals="none")


def _approve(service: Service, **fields: Any) -> httpx.Response:
    return service.request("POST", "/v1/approvals", "approve", json={"reason": "warrant 12", "expires": SOON, **fields})


def test_one_approval_lets_one_recovery_of_somebody_else_happen(
    service: Service, needed: None, anonymized: httpx.Response, photo: bytes
) -> None:
    refused = service.post("/v1/recover", "recover", anonymized.content, reason="test")
    assert_problem(refused, 403, "approval-missing")
    made = _approve(service, record=anonymized.headers["x-visard-record"])
    assert made.status_code == 201
    assert made.json()["record"] == anonymized.headers["x-visard-record"]
    assert service.post("/v1/recover", "recover", anonymized.content, reason="test").status_code == 200
    refused = service.post("/v1/recover", "recover", anonymized.content, reason="test")
    assert_problem(refused, 403, "approval-missing")
    used = [entry["approval"] for entry in service.entries() if entry["kind"] == "outcome"]
    assert used[-2] == made.json()["approval"]
    unknown = service.post("/v1/recover", "recover", photo, reason="test", record=uuid4())
    assert_problem(unknown, 404, "record-unknown")


def test_a_foreign_image_needs_no_approval_to_be_unknown(
    service: Service, anonymized: httpx.Response, photo: bytes
) -> None:
    service.desk.parts.tenants.set("newspaper", approvals="once")
    try:
        answer = service.post("/v1/recover", "other", anonymized.content, reason="scoop")
    finally:
        service.desk.parts.tenants.set("newspaper", approvals="none")
    assert_problem(answer, 404, "record-unknown")


@pytest.mark.parametrize(
    ("body", "kind", "status", "slug"),
    [
        (b"{}", "application/json", 422, "form-invalid"),
        (b"[]", "application/json", 422, "form-invalid"),
        (b"{", "application/json", 422, "form-invalid"),
        (b"\xff", "application/json", 422, "form-invalid"),
        (b"[" * 30000, "application/json", 422, "form-invalid"),
        (b" " * 70000, "application/json", 413, "upload-too-large"),
        (b"a=b", "application/x-www-form-urlencoded", 415, "form-type-unsupported"),
        (b'{"reason": "a", "expires": "SOON"}', "application/json", 422, "approval-invalid"),
        (b'{"reason": "a", "expires": "SOON", "case": "\\ud800"}', "application/json", 422, None),
        (b'{"reason": "a", "expires": "SOON", "case": "a\\nb"}', "application/json", 422, None),
        (b'{"reason": "\\u0000", "expires": "SOON", "case": "a"}', "application/json", 422, None),
        (b'{"reason": "a", "expires": 1e300, "case": "a"}', "application/json", 422, "form-invalid"),
        (b'{"reason": "a", "expires": SECONDS, "case": "a"}', "application/json", 422, "form-invalid"),
        (b'{"reason": "a", "expires": "2020-01-01T00:00:00Z", "case": "a"}', "application/json", 422, None),
        (
            b'{"reason": "a", "expires": "SOON", "case": "a", "subject": "me"}',
            "application/json",
            422,
            None,
        ),
    ],
)
def test_what_is_no_approval(body: bytes, kind: str, status: int, slug: str | None, service: Service) -> None:
    before, seconds = len(service.entries()), datetime.fromisoformat(SOON).timestamp()
    body = body.replace(b"SOON", SOON.encode()).replace(b"SECONDS", b"%d" % seconds)
    answer = service.request("POST", "/v1/approvals", "approve", content=body, headers={"Content-Type": kind})
    known = slug or answer.json()["type"].rpartition(":")[2]
    assert_problem(answer, status, known)
    assert known in {"form-invalid", "reason-invalid", "approval-invalid", slug}
    (entry,) = service.entries()[before:]
    assert (entry["kind"], entry["result"], entry["detail"]) == ("approval", "invalid", known)
    assert (entry["subject"], entry["request"]) == ("judge", answer.headers["x-request-id"])


def test_a_record_of_nobody_cannot_be_approved(service: Service) -> None:
    assert_problem(_approve(service, record=str(uuid4())), 404, "record-unknown")
