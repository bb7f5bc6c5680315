"""``visard serve`` as a process of its own, over real HTTP."""

import json
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import httpx
import numpy as np
import pytest

from service.settings import Settings
from tests.api.conftest import OTHER, TENANT, Pixels, pixels_of
from tests.api.test_uploads import END, FORM, _part
from tests.serving import PATIENCE_S, Installation, Process, serving
from tests.waiting import until


@pytest.fixture(params=["sqlite", "postgres"])
def running(request: pytest.FixtureRequest, tmp_path: Path, small_bundle: Path) -> Iterator[Process]:
    """A service on each kind of database."""
    url = None if request.param == "sqlite" else request.getfixturevalue("postgres_url")
    settings = Settings(home=tmp_path / "home", weights=small_bundle, database_url=url)
    with serving(Installation.make(settings), VISARD_DRAIN_DELAY="1") as process:
        yield process


def test_from_start_to_stop(running: Process, photo: bytes, portrait: Pixels) -> None:
    made = running.post("/v1/anonymize", "anonymize", photo, idempotency_key="one")
    assert made.status_code == 200
    again = running.post("/v1/anonymize", "anonymize", photo, idempotency_key="one")
    assert (again.content, again.headers["x-visard-replayed"]) == (made.content, "true")
    assert running.post("/v1/anonymize", "anonymize", made.content).status_code == 409
    back = running.post("/v1/recover", "recover", made.content, reason="court order")
    assert back.headers["x-visard-verified"] == "image"
    assert np.array_equal(pixels_of(back.content), portrait)
    refused = [
        running.post("/v1/recover", "anonymize", made.content, reason="curious"),
        running.post("/v1/recover", "expired", made.content, reason="late"),
        running.post("/v1/recover", "recover", made.content),
        running.post("/v1/recover", "other", made.content, reason="scoop"),
    ]
    assert [answer.status_code for answer in refused] == [403, 401, 422, 404]
    assert running.installation.entries()[-1]["kind"] == "foreign-attempt"
    assert _attempts(running, TENANT) == [
        ("court", "granted", "recovered"),
        ("camera", "denied", "scope-missing"),
        ("late", "denied", "token-refused"),
        ("court", "invalid", "form-invalid"),
    ]
    ((subject, result, detail),) = _attempts(running, OTHER)
    assert (subject, result) == ("editor", "denied") and detail in {"record-refused", "record-unknown"}
    running.installation.check_log({back.headers["x-visard-audit"]})

    with _uploading(running, "/v1/detect", photo) as (end, answer):
        running.process.send_signal(signal.SIGTERM)
        until(lambda: running.get("/readyz").json()["status"] == "draining")
        until(lambda: _refused(running))
        end.set()
        assert answer.result(PATIENCE_S).status_code == 200
    assert running.process.wait(PATIENCE_S) == 0
    said = "".join(running.lines)
    assert "not for production: the keys" in said
    assert "VISARD_TOKEN_PEPPER is not set" in said
    assert ("the database is SQLite" in said) == (running.installation.settings.database_url is None)
    logged = [json.loads(line) for line in running.lines]
    assert {"/v1/anonymize", "/v1/recover"} <= {line.get("route") for line in logged}
    assert not any(token in said for token in running.installation.tokens.values())


def _attempts(running: Process, tenant: str) -> list[tuple[str, str, str]]:
    """Of each recovery who asked, and how it ended."""
    entries = running.installation.entries(tenant)
    intents, outcomes = ([entry for entry in entries if entry["kind"] == kind] for kind in ("intent", "outcome"))
    assert [entry["attempt"] for entry in intents] == [entry["attempt"] for entry in outcomes]
    return [(i["subject"], o["result"], o["detail"]) for i, o in zip(intents, outcomes, strict=True)]


@contextmanager
def _uploading(running: Process, path: str, image: bytes) -> Iterator[tuple[threading.Event, Future[httpx.Response]]]:
    """A request that the service is reading, whose end waits for the event; and its answer."""
    begun, end = threading.Event(), threading.Event()

    def body() -> Iterator[bytes]:
        yield _part("image", image)
        begun.set()
        assert end.wait(2 * PATIENCE_S)
        yield END

    def upload() -> httpx.Response:
        headers = {**running.bearer("all"), **FORM}
        url = running.url + path
        return httpx.post(url, content=body(), headers=headers, timeout=PATIENCE_S, trust_env=False)

    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(upload)
        try:
            assert begun.wait(PATIENCE_S)
            # It came later, so the upload was accepted, too.
            assert running.get("/livez").status_code == 200
            yield end, answer
        finally:
            end.set()


def _refused(running: Process) -> bool:
    """Whether nothing is taken on any more."""
    try:
        running.get("/livez")
    except httpx.ConnectError:
        return True
    except httpx.TransportError:
        # It waited to be taken on while the door was shut.
        return False
    return False


def test_an_upload_without_end_does_not_keep_the_service(tmp_path: Path, small_bundle: Path, photo: bytes) -> None:
    installation = Installation.make(Settings(home=tmp_path / "home", weights=small_bundle))
    patient = str(10 * PATIENCE_S)
    with (
        serving(
            installation, VISARD_DRAIN_DELAY="0.2", VISARD_DRAIN_DEADLINE="1", VISARD_UPLOAD_TIMEOUT=patient
        ) as process,
        _uploading(process, "/v1/recover", photo),
    ):
        process.process.send_signal(signal.SIGTERM)
        assert process.process.wait(PATIENCE_S) == 0
    assert _attempts(process, TENANT) == [("auditor", "failed", "engine-closed")]


@pytest.mark.parametrize(("proxies", "seen"), [("10.0.0.0/8 127.0.0.1", "203.0.113.9"), ("10.0.0.0/8", "127.0.0.1")])
def test_whom_a_proxy_asks_for_is_believed_of_those_that_are_trusted(
    proxies: str, seen: str, tmp_path: Path, small_bundle: Path
) -> None:
    installation = Installation.make(Settings(home=tmp_path / "home", weights=small_bundle))
    with serving(installation, VISARD_TRUSTED_PROXIES=proxies) as process:
        headers = {
            "Authorization": f"Bearer {installation.tokens['anonymize']}",
            "X-Forwarded-For": "198.51.100.7, 203.0.113.9",
        }
        assert httpx.post(f"{process.url}/v1/recover", headers=headers, timeout=PATIENCE_S).status_code == 403
    assert installation.entries()[0]["client"] == seen


def test_a_caller_whose_address_is_no_address_is_refused_as_any_other_and_in_the_log(
    tmp_path: Path, small_bundle: Path
) -> None:
    installation = Installation.make(Settings(home=tmp_path / "home", weights=small_bundle))
    with serving(installation, VISARD_TRUSTED_PROXIES="127.0.0.1") as process:
        headers = {"Authorization": f"Bearer {installation.tokens['anonymize']}", "X-Forwarded-For": "9" * 1001}
        assert httpx.post(f"{process.url}/v1/recover", headers=headers, timeout=PATIENCE_S).status_code == 403
    assert installation.entries()[0]["client"] == "(unreadable)"
