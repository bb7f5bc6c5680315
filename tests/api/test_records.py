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


def test_an_id_that_is_none(service: Service) -> None:
    assert_problem(service.request("DELETE", "/v1/records/7", "erase"), 422, "parameter-invalid")


@pytest.mark.parametrize(("method", "kind"), [("GET", "inspection"), ("DELETE", "erase")])
@pytest.mark.parametrize(("token", "detail"), [("expired", "token-refused"), ("recover", "scope-missing")])
def test_a_refusal_names_the_record_it_was_about(
    token: str, detail: str, method: str, kind: str, service: Service
) -> None:
    record = uuid4()
    assert service.request(method, f"/v1/records/{record}", token).status_code in (401, 403)
    entry = service.entries()[-1]
    assert (entry["kind"], entry["detail"], entry["record"]) == (kind, detail, str(record))
