"""What somebody learns of a record that is not theirs, or whose key is gone: nothing. And what its owner learns."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from sqlalchemy import event

from service.access.principal import Scope
from service.api import workers
from service.audit import appending
from service.audit.checkpoint import SignedCheckpoint
from service.audit.head import Receipt
from service.audit.signing import LocalSigner, Signer
from service.errors import AuditTampered
from tests.api.conftest import OTHER, TENANT, Service, assert_problem, pixels_of
from tests.files import encoded


def test_another_tenants_image_is_an_unknown_one(service: Service, anonymized: httpx.Response, photo: bytes) -> None:
    bare = encoded(pixels_of(anonymized.content))
    record = anonymized.headers["x-visard-record"]
    before = len(service.entries(OTHER))
    answers = [
        service.post("/v1/recover", "other", image, reason="scoop", **fields)
        for image in (photo, bare, anonymized.content)
        for fields in ({}, {"record": record}, {"record": uuid4()})
    ]
    for answer in answers:
        assert_problem(answer, 404, "record-unknown")
    assert len({(_without_instance(answer), _headers(answer)) for answer in answers}) == 1
    outcomes = service.entries(OTHER)[before:][1::2]
    assert [entry["result"] for entry in outcomes] == ["denied"] * len(answers)


def test_the_owner_learns_of_an_attempt_on_its_record(
    service: Service, anonymized: httpx.Response, photo: bytes
) -> None:
    bare = encoded(pixels_of(anonymized.content))
    record = anonymized.headers["x-visard-record"]
    for image, fields in ((anonymized.content, {}), (bare, {}), (photo, {"record": record})):
        before = len(service.entries())
        service.post("/v1/recover", "other", image, reason="a scoop", case="forged entry", **fields)
        (told,) = service.entries()[before:]
        assert (told["kind"], told["record"]) == ("foreign-attempt", record)
        assert (told["by_tenant"], told["by_subject"]) == (OTHER, "editor")
        assert told["by_attempt"] == service.entries(OTHER)[-1]["attempt"]
        assert "forged" not in str(told) and "scoop" not in str(told)


@pytest.fixture
def shipped(service: Service) -> Path:
    """Where checkpoints are kept outside the database."""
    (found,) = Path(service.desk.parts.audit._engine.url.database).parent.glob("audit-checkpoints")
    return found


@contextmanager
def _nothing_afterwards(service: Service) -> Iterator[None]:
    """As if the process were killed at once behind its answers: what these leave to be done waits."""
    go = threading.Event()
    service.settle()
    service.desk.workers.afterwards(lambda: go.wait() and None)
    try:
        yield
    finally:
        go.set()
        service.settle()


@pytest.fixture
def nothing_afterwards(service: Service) -> Iterator[None]:
    with _nothing_afterwards(service):
        yield


def test_the_owners_entry_is_committed_before_the_answer(
    service: Service, anonymized: httpx.Response, nothing_afterwards: None
) -> None:
    record = anonymized.headers["x-visard-record"]
    for ask, status, slug in (
        (lambda: service.post("/v1/recover", "other", anonymized.content, reason="test"), 404, "record-unknown"),
        (lambda: service.request("GET", f"/v1/records/{record}", "other-audit"), 404, "record-unknown"),
        (lambda: service.request("DELETE", f"/v1/records/{record}", "other-erase"), 404, "record-unknown"),
        (lambda: service.request("DELETE", f"/v1/records/{record}", "other"), 403, "scope-missing"),
    ):
        before = len(service.entries())
        assert_problem(ask(), status, slug)
        (told,) = service.entries()[before:]
        assert (told["kind"], told["by_attempt"]) == ("foreign-attempt", service.entries(OTHER)[-1]["attempt"])


def test_the_owners_checkpoint_is_shipped_too(service: Service, anonymized: httpx.Response, shipped: Path) -> None:
    service.post("/v1/recover", "other", anonymized.content, reason="test")
    service.settle()
    for tenant in (TENANT, OTHER):
        note = (shipped / f"{tenant}.checkpoint").read_text()
        assert SignedCheckpoint.parse(note).checkpoint.size == len(service.entries(tenant))


def test_whether_there_is_an_owner_makes_no_difference_to_the_work(
    service: Service, anonymized: httpx.Response, photo: bytes
) -> None:
    """Of a record of somebody else and of one of nobody: the same statements and as many signatures."""
    record = anonymized.headers["x-visard-record"]
    for ask in (
        lambda record: service.post("/v1/recover", "other", photo, reason="test", record=record),
        lambda record: service.request("GET", f"/v1/records/{record}", "other-audit"),
        lambda record: service.request("DELETE", f"/v1/records/{record}", "other-erase"),
        lambda record: service.request("DELETE", f"/v1/records/{record}", "other"),
    ):
        work = [_work_of(service, lambda ask=ask, of=of: ask(of)) for of in (record, uuid4())]
        assert work[0] == work[1]
        assert {"SAVEPOINT", "signature"} <= set(work[0])


def _work_of(service: Service, ask: Callable[[], object]) -> list[str]:
    """Every statement of a request, and every signature; the end of a savepoint is one, whatever it is."""
    ends = {"RELEASE": "SAVEPOINT", "ROLLBACK": "SAVEPOINT"}
    work: list[str] = []
    real = LocalSigner.sign

    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        words = statement.split()
        work.append(ends.get(words[0], " ".join(words[: 1 if words[0] == "SAVEPOINT" else 3])))

    def sign(self: LocalSigner, message: bytes) -> bytes:
        work.append("signature")
        return real(self, message)

    engine = service.desk.parts.audit._engine
    # Of what is done behind an answer its caller sees nothing.
    with _nothing_afterwards(service), pytest.MonkeyPatch.context() as patch:
        patch.setattr(LocalSigner, "sign", sign)
        event.listen(engine, "before_cursor_execute", note)
        try:
            ask()
        finally:
            event.remove(engine, "before_cursor_execute", note)
    return sorted(work)


def _owners_log_closed(patch: pytest.MonkeyPatch, times: int) -> None:
    """So many times an owner's log takes no notice."""
    real, failures = appending.extend, iter([AuditTampered("secret words")] * times)

    def extend(connection: Any, tenant: str, origin: str, body: bytes, signer: Signer) -> Receipt:
        if b"by_subject" in body:
            for failure in failures:
                raise failure
        return real(connection, tenant, origin, body, signer)

    patch.setattr(workers, "_PAUSES_S", (0.001, 0.001))
    patch.setattr(appending, "extend", extend)


def test_an_owner_is_told_as_soon_as_its_log_can_be_written(
    service: Service, anonymized: httpx.Response, monkeypatch: pytest.MonkeyPatch
) -> None:
    _owners_log_closed(monkeypatch, times=3)
    before = len(service.entries())
    service.post("/v1/recover", "other", anonymized.content, reason="test")
    service.settle()
    assert [entry["kind"] for entry in service.entries()[before:]] == ["foreign-attempt"]


def test_nobody_is_told_of_an_attempt_on_nothing(service: Service, anonymized: httpx.Response, photo: bytes) -> None:
    before = len(service.entries())
    service.post("/v1/recover", "other", photo, reason="test", record=uuid4())
    assert len(service.entries()) == before
    service.post("/v1/recover", "all", photo, reason="test", record=anonymized.headers["x-visard-record"])
    assert [entry["kind"] for entry in service.entries()[before:]] == ["intent", "outcome"]


def test_an_owner_that_cannot_be_told_changes_no_answer(
    service: Service, anonymized: httpx.Response, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    expected = service.post("/v1/recover", "other", anonymized.content, reason="test")
    _owners_log_closed(monkeypatch, times=100)
    before = len(service.entries(OTHER))
    answer = service.post("/v1/recover", "other", anonymized.content, reason="test")
    service.settle()
    assert_problem(answer, 404, "record-unknown")
    assert _without_instance(answer) == _without_instance(expected)
    assert [entry["kind"] for entry in service.entries(OTHER)[before:]] == ["intent", "outcome"]
    assert caplog.text.count("AuditTampered") == 1 and "secret words" not in caplog.text


def test_a_tampered_record_is_an_unknown_one(service: Service, anonymized: httpx.Response, photo: bytes) -> None:
    from service.imaging import decode, encode

    picture = decode(anonymized.content)
    for at in (30, 41, len(picture.record) // 2):  # nonce, key version, body
        record = bytearray(picture.record)
        record[at] ^= 1
        answer = service.post(
            "/v1/recover", "all", encode(picture, format="png", record=bytes(record), metadata="strip"), reason="test"
        )
        unknown = service.post("/v1/recover", "all", photo, reason="test")
        assert (answer.status_code, _without_instance(answer)) == (404, _without_instance(unknown))


@pytest.mark.parametrize("tenant", ["keyless", "shredded"])
def test_a_tenant_without_a_key_learns_nothing(
    tenant: str, service: Service, anonymized: httpx.Response, photo: bytes
) -> None:
    desk = service.desk
    desk.tenants.create(tenant)
    if tenant == "shredded":
        desk.parts.keys.create(tenant)
        desk.parts.keys.rotate(tenant)
        desk.parts.keys.destroy(tenant, 1)
    service.tokens[tenant] = desk.tokens.create(tenant, "nobody", [Scope.RECOVER])[1]
    answers = [service.post("/v1/recover", tenant, image, reason="test") for image in (photo, anonymized.content)]
    assert [answer.status_code for answer in answers] == [404, 404]
    assert _without_instance(answers[0]) == _without_instance(answers[1])


def test_an_image_whose_key_was_destroyed_is_gone(service: Service, photo: bytes) -> None:
    desk = service.desk
    desk.tenants.create("shredder")
    desk.parts.keys.create("shredder")
    token = desk.tokens.create("shredder", "auditor", [Scope.ANONYMIZE, Scope.RECOVER])[1]
    service.tokens["shredder"] = token
    made = service.post("/v1/anonymize", "shredder", photo)
    desk.parts.keys.rotate("shredder")
    desk.parts.keys.destroy("shredder", 1)
    bare = encoded(pixels_of(made.content))
    for image, fields in ((made.content, {}), (bare, {}), (bare, {"record": made.headers["x-visard-record"]})):
        assert_problem(service.post("/v1/recover", "shredder", image, reason="test", **fields), 410, "key-destroyed")
    assert service.entries("shredder")[-1]["detail"] == "key-destroyed"


def _without_instance(answer: httpx.Response) -> str:
    return str({key: value for key, value in answer.json().items() if key != "instance"})


def _headers(answer: httpx.Response) -> tuple[str, ...]:
    return tuple(sorted(answer.headers))
