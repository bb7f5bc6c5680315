"""Who may do what, and what the audit log says about those who may not."""

import pytest
from fastapi.routing import iter_route_contexts

from service.access.principal import Scope
from service.api.auth import scope_of
from tests.api.conftest import Service, assert_problem

ROUTES = {
    "POST /v1/anonymize": Scope.ANONYMIZE,
    "POST /anonymize": Scope.ANONYMIZE,
    "POST /v1/detect": Scope.ANONYMIZE,
    "POST /v1/recover": Scope.RECOVER,
    "POST /recover": Scope.RECOVER,
    "GET /v1/audit/entries": Scope.AUDIT,
    "GET /v1/audit/entries/{id}": Scope.AUDIT,
    "GET /v1/audit/checkpoint": Scope.AUDIT,
    "GET /v1/audit/proofs/inclusion": Scope.AUDIT,
    "GET /v1/audit/proofs/consistency": Scope.AUDIT,
    "GET /v1/records/{id}": Scope.AUDIT,
    "DELETE /v1/records/{id}": Scope.ERASE,
    "POST /v1/approvals": Scope.APPROVE,
    "GET /livez": None,
    "GET /readyz": None,
    "GET /healthz": None,
    "GET /metrics": None,
    "GET /openapi.json": None,
}


def test_every_route_needs_the_scope_it_should(service: Service) -> None:
    found = {
        f"{method} {route.path}": scope_of(route)
        for route in iter_route_contexts(service.app.routes)
        for method in route.methods - {"HEAD"}
    }
    assert found == ROUTES


def test_the_document_names_the_scope_of_every_operation(service: Service) -> None:
    for path, operations in service.app.openapi()["paths"].items():
        for method, operation in operations.items():
            scope = ROUTES[f"{method.upper()} {path}"]
            assert operation.get("security") == (None if scope is None else [{"bearer": [scope.value]}])


@pytest.mark.parametrize("route", [route for route, scope in ROUTES.items() if scope])
@pytest.mark.parametrize("authorization", [None, "Bearer", "Bearer visard_guess", "Basic dXNlcjpwYXNz", "Bearer \xff"])
def test_no_token_no_answer(route: str, authorization: str | None, service: Service) -> None:
    headers = {} if authorization is None else {"Authorization": authorization.encode("latin-1")}
    answer = service.request(*route.split(), content=_Unread(), headers=headers)
    assert_problem(answer, 401, "token-refused")
    assert answer.headers["www-authenticate"].startswith("Bearer")


class _Unread:
    """A body that fails the test when somebody reads it."""

    async def __aiter__(self):
        raise AssertionError("the body was read before the caller was known")
        yield b""


_WITHOUT = {Scope.ANONYMIZE: "recover", Scope.RECOVER: "anonymize"}


@pytest.mark.parametrize("route", [route for route, scope in ROUTES.items() if scope])
def test_a_missing_scope_is_refused_before_the_body_is_read(route: str, service: Service) -> None:
    answer = service.request(*route.split(), _WITHOUT.get(ROUTES[route], "all"), content=_Unread())
    assert_problem(answer, 403, "scope-missing")
    assert "insufficient_scope" in answer.headers["www-authenticate"]


def test_denied_recoveries_are_in_the_log(service: Service, photo: bytes) -> None:
    before = len(service.entries())
    for token, fields, status, slug in (
        ("anonymize", {"reason": "curious"}, 403, "scope-missing"),
        ("expired", {"reason": "too late"}, 401, "token-refused"),
        ("recover", {}, 422, "form-invalid"),
        ("recover", {"reason": " "}, 422, "reason-invalid"),
        ("recover", {"reason": "two\nlines"}, 422, "reason-invalid"),
        ("recover", {"reason": "fine", "case": "nul\0"}, 422, "reason-invalid"),
        ("recover", {"reason": "court order"}, 404, "record-unknown"),
    ):
        assert_problem(service.post("/v1/recover", token, photo, **fields), status, slug)
    entries = service.entries()[before:]
    assert [entry["kind"] for entry in entries] == ["intent", "outcome"] * 7
    said = [(entry["result"], entry["detail"]) for entry in entries[1::2]]
    assert said == [
        ("denied", "scope-missing"),
        ("denied", "token-refused"),
        ("invalid", "form-invalid"),
        *[("invalid", "reason-invalid")] * 3,
        ("denied", "record-unknown"),
    ]
    assert [entry["subject"] for entry in entries[::2]] == ["camera", "late", *["court"] * 5]


def test_a_token_nobody_has_leaves_no_trace(service: Service, photo: bytes) -> None:
    before = len(service.entries())
    service.request("POST", "/v1/recover", headers={"Authorization": "Bearer visard_" + "x" * 43})
    assert len(service.entries()) == before
