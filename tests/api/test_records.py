"""Records over HTTP: what is known of them, their erasure, and what another tenant learns of them: nothing."""

from collections.abc import Iterator
from uuid import uuid4

import httpx
import pytest

from tests.api.conftest import OTHER, TENANT, Service, assert_problem


@pytest.fixture
def made(service: Service, photo: bytes) -> httpx.Response:
    """An image of this test's own."""
    answer = service.post("/v1/anonymize", "anonymize", photo)
    assert answer.status_code == 200, answer.text
    return answer


@pytest.fixture
def erasable(service: Service) -> Iterator[None]:
    """The tenant while its images can be shredded."""
    service.desk.parts.tenants.set(TENANT, erasable=True)
    yield
    service.desk.parts.tenants.set(TENANT, erasable=False)


def _path(made: httpx.Response) -> str:
    return f"/v1/records/{made.headers['x-visard-record']}"


def test_what_is_known_of_a_record(service: Service, made: httpx.Response) -> None:
    answer = service.request("GET", _path(made), "audit")
    assert answer.status_code == 200
    facts = answer.json()
    assert facts["record"] == made.headers["x-visard-record"]
    assert (facts["erasable"], facts["exact_copy"], facts["expires"]) == (False, True, None)
    assert (facts["custodian"], facts["key_version"]) == ("local", 1)
    assert set(facts) == {
        "record",
        "created",
        "expires",
        "custodian",
        "key_version",
        "erasable",
        "exact_copy",
        "pixels_sha256",
    }


def test_the_exact_copy_is_forgotten(service: Service, made: httpx.Response) -> None:
    answer = service.request("DELETE", _path(made), "erase")
    assert (answer.status_code, answer.json()["erased"]) == (200, "exact-copy")
    assert service.request("GET", _path(made), "audit").json()["exact_copy"] is False
    assert service.request("DELETE", _path(made), "erase").json()["erased"] == "nothing"
    back = service.post("/v1/recover", "recover", made.content, reason="test")
    assert back.headers["x-visard-fidelity"] == "generative"


def test_an_erasable_image_is_shredded(service: Service, erasable: None, made: httpx.Response) -> None:
    assert service.request("DELETE", _path(made), "erase").json()["erased"] == "image"
    for answer in (
        service.post("/v1/recover", "recover", made.content, reason="test"),
        service.request("GET", _path(made), "audit"),
        service.request("DELETE", _path(made), "erase"),
    ):
        assert_problem(answer, 410, "record-erased")
    assert [entry["detail"] for entry in service.entries() if entry["kind"] == "erased"][-2:] == [
        "image",
        "record-erased",
    ]


def test_to_others_an_erased_record_is_an_unknown_one(
    service: Service, erasable: None, made: httpx.Response, photo: bytes
) -> None:
    service.request("DELETE", _path(made), "erase")
    record = made.headers["x-visard-record"]
    unknown = service.post("/v1/recover", "other", photo, reason="scoop", record=uuid4())
    for fields in ({}, {"record": record}):
        answer = service.post("/v1/recover", "other", made.content, reason="scoop", **fields)
        assert_problem(answer, 404, "record-unknown")
        assert answer.json()["detail"] == unknown.json()["detail"]
    assert_problem(service.request("GET", _path(made), "other-audit"), 404, "record-unknown")


def test_anothers_record_is_an_unknown_one_and_its_owner_is_told(service: Service, made: httpx.Response) -> None:
    for method, token in (("GET", "other-audit"), ("DELETE", "other-erase")):
        before = len(service.entries())
        answer = service.request(method, _path(made), token)
        unknown = service.request(method, f"/v1/records/{uuid4()}", token)
        assert_problem(answer, 404, "record-unknown")
        assert {**answer.json(), "instance": ""} == {**unknown.json(), "instance": ""}
        (told,) = service.entries()[before:]
        assert (told["kind"], told["by_tenant"]) == ("foreign-attempt", OTHER)
        assert told["record"] == made.headers["x-visard-record"]
    assert service.request("GET", _path(made), "audit").json()["exact_copy"] is True


@pytest.mark.parametrize(
    ("token", "status", "slug"), [("all", 403, "scope-missing"), ("expired", 401, "token-refused")]
)
@pytest.mark.parametrize(
    ("method", "path", "kind"), [("DELETE", "records/x", "erase"), ("POST", "approvals", "approval")]
)
def test_a_refusal_of_somebody_known_is_in_the_log(
    method: str, path: str, kind: str, token: str, status: int, slug: str, service: Service
) -> None:
    before = len(service.entries())
    assert_problem(service.request(method, f"/v1/{path}", token), status, slug)
    (entry,) = service.entries()[before:]
    assert (entry["kind"], entry["result"], entry["detail"]) == (kind, "denied", slug)


@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_anothers_record_asked_for_without_the_scope_is_told_its_owner(
    method: str, service: Service, made: httpx.Response
) -> None:
    for record, told in ((made.headers["x-visard-record"], 1), (str(uuid4()), 0)):
        before = len(service.entries())
        assert_problem(service.request(method, f"/v1/records/{record}", "other"), 403, "scope-missing")
        notices = service.entries()[before:]
        mine = service.entries(OTHER)[-1]
        assert (mine["detail"], mine["record"]) == ("scope-missing", record)
        assert [(one["kind"], one["record"], one["by_subject"], one["by_attempt"]) for one in notices] == [
            ("foreign-attempt", record, "editor", mine["attempt"])
        ] * told


def test_ones_own_record_asked_for_without_the_scope_is_told_nobody(service: Service, made: httpx.Response) -> None:
    before, others = len(service.entries()), len(service.entries(OTHER))
    assert_problem(service.request("DELETE", _path(made), "audit"), 403, "scope-missing")
    assert [entry["kind"] for entry in service.entries()[before:]] == ["erase"]
    assert len(service.entries(OTHER)) == others


@pytest.mark.parametrize(("method", "token", "kind"), [("DELETE", "erase", "erase"), ("GET", "audit", "inspection")])
def test_an_id_that_is_none_is_in_the_log(method: str, token: str, kind: str, service: Service) -> None:
    before = len(service.entries())
    assert_problem(service.request(method, "/v1/records/7", token), 422, "parameter-invalid")
    (entry,) = service.entries()[before:]
    assert (entry["kind"], entry["result"], entry["detail"]) == (kind, "invalid", "parameter-invalid")


@pytest.mark.parametrize(("method", "kind"), [("GET", "inspection"), ("DELETE", "erase")])
@pytest.mark.parametrize(("token", "detail"), [("expired", "token-refused"), ("recover", "scope-missing")])
def test_a_refusal_names_the_record_it_was_about(
    token: str, detail: str, method: str, kind: str, service: Service
) -> None:
    record = uuid4()
    assert service.request(method, f"/v1/records/{record}", token).status_code in (401, 403)
    entry = service.entries()[-1]
    assert (entry["kind"], entry["detail"], entry["record"]) == (kind, detail, str(record))
