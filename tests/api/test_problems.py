"""Every error is a problem document; nothing inner shows in one."""

import importlib
import pkgutil
from collections.abc import Iterator
from dataclasses import replace

import pytest

import service as package
from service.api.errors import ANSWERS
from service.errors import AuditUnavailable, EngineBusy, KeysUnavailable, VisardError, code_of
from tests.api.conftest import Service, assert_problem


def _kinds(kind: type[VisardError]) -> Iterator[type[VisardError]]:
    yield kind
    for below in kind.__subclasses__():
        yield from _kinds(below)


def test_every_domain_error_has_an_answer() -> None:
    for module in pkgutil.walk_packages(package.__path__, "service."):
        # Ray reads its environment when it is imported, for the whole process.
        if not module.name.endswith("__main__") and not module.name.startswith("service.cluster."):
            importlib.import_module(module.name)
    ours = {kind for kind in _kinds(VisardError) if kind.__module__.startswith("service.")}
    assert sorted(kind.__name__ for kind in ours - set(ANSWERS)) == []
    assert code_of(EngineBusy) == "engine-busy"


@pytest.mark.parametrize(
    ("method", "path", "status", "slug"),
    [
        ("GET", "/nothing", 404, "not-found"),
        ("GET", "/v1/anonymize", 405, "method-not-allowed"),
        ("POST", "/v1/anonymize/", 404, "not-found"),
        ("DELETE", "/livez", 405, "method-not-allowed"),
    ],
)
def test_wrong_paths_and_methods(method: str, path: str, status: int, slug: str, service: Service) -> None:
    assert_problem(service.request(method, path), status, slug)


class _Failing:
    """Stands for any part, and raises whatever it is asked."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    def __getattr__(self, name: str) -> object:
        raise self._error

    def __call__(self, *_: object) -> object:
        raise self._error


@pytest.mark.parametrize(
    ("part", "error", "status", "slug", "counter"),
    [
        ("keys", KeysUnavailable("the key custody does not answer"), 503, "keys-unavailable", "key_fetch_errors"),
        ("audit", AuditUnavailable("the log cannot be written"), 503, "audit-unavailable", "audit_write_failures"),
        ("engine", EngineBusy("full"), 429, "engine-busy", None),
        ("detector", RuntimeError("password=hunter2 /etc/visard"), 500, "fault", None),
    ],
)
def test_parts_that_fail(
    part: str,
    error: Exception,
    status: int,
    slug: str,
    counter: str | None,
    service: Service,
    photo: bytes,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO")
    desk = service.desk
    broken = replace(desk, parts=replace(desk.parts, **{part: _Failing(error)}))
    path, fields = ("/v1/recover", {"reason": "test"}) if part == "audit" else ("/v1/anonymize", {})
    before = _count(service, counter)
    service.app.state.desk = broken
    try:
        answer = service.post(path, "all", photo, **fields)
    finally:
        service.app.state.desk = desk
    assert_problem(answer, status, slug)
    assert ("retry-after" in answer.headers) == (status != 500)
    assert "hunter2" not in answer.text + caplog.text
    assert counter is None or _count(service, counter) == before + 1
    if status == 500:
        (line,) = [record for record in caplog.records if record.message == "fault"]
        assert line.fields["request"] == answer.headers["x-request-id"]
        assert line.fields["kind"] == "RuntimeError"


@pytest.mark.parametrize(("token", "fields"), [("anonymize", {"reason": "test"}), ("expired", {}), ("recover", {})])
def test_a_refusal_that_cannot_be_logged_is_no_answer(
    token: str, fields: dict[str, str], service: Service, photo: bytes
) -> None:
    desk = service.desk
    audit = _Failing(AuditUnavailable("the log cannot be written"))
    service.app.state.desk = replace(desk, parts=replace(desk.parts, audit=audit))
    try:
        answer = service.post("/v1/recover", token, photo, **fields)
    finally:
        service.app.state.desk = desk
    assert_problem(answer, 503, "audit-unavailable")


def _count(service: Service, counter: str | None) -> float:
    lines = service.request("GET", "/metrics").text.splitlines()
    return next((float(line.split()[1]) for line in lines if line.startswith(f"visard_{counter}_total")), 0.0)


def test_request_ids_are_kept_or_made(service: Service) -> None:
    assert service.request("GET", "/livez", headers={"X-Request-Id": "abc-1"}).headers["x-request-id"] == "abc-1"
    for bad in ("", "a b", "x" * 129, "a\x7fb"):
        made = service.request("GET", "/livez", headers={"X-Request-Id": bad}).headers["x-request-id"]
        assert len(made) == 32


def test_the_access_log_holds_no_token(service: Service, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    service.request("POST", "/v1/detect", "all", headers={"X-Request-Id": "id-7"})
    (line,) = [record for record in caplog.records if record.name == "visard.access"]
    assert line.fields["request"] == "id-7"
    assert (line.fields["route"], line.fields["status"]) == ("/v1/detect", 415)
    assert service.tokens["all"] not in str(vars(line))
