"""``visard serve`` as a process of its own, over real HTTP."""

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import httpx
import numpy as np
import pytest
from sqlalchemy import select

from service.app import migrate, open_access, open_audit_database
from service.database.engine import transaction
from service.database.tables import audit_entries
from service.settings import Settings
from tests.api.conftest import OTHER, TENANT, Pixels, make_tokens, pixels_of
from tests.api.test_uploads import END, FORM, _part

PATIENCE_S = 60


@dataclass
class Process:
    """A running service."""

    process: subprocess.Popen[str]
    url: str
    tokens: dict[str, str]
    settings: Settings
    lines: list[str]

    def post(self, path: str, token: str, image: bytes, **fields: str) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self.tokens[token]}"}
        return httpx.post(
            self.url + path, headers=headers, data=fields, files={"image": image}, timeout=PATIENCE_S, trust_env=False
        )

    def get(self, path: str) -> httpx.Response:
        return httpx.get(self.url + path, timeout=PATIENCE_S, trust_env=False)


def _environment(settings: Settings) -> dict[str, str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("VISARD_")}
    database = settings.database_url
    return {
        **clean,
        "VISARD_HOME": str(settings.home),
        "VISARD_WEIGHTS": str(settings.weights),
        "VISARD_DRAIN_DELAY": "1",
        **({} if database is None else {"VISARD_DATABASE_URL": database.get_secret_value()}),
    }


def _started(settings: Settings) -> Iterator[Process]:
    with open_access(settings) as access:
        for tenant in (TENANT, OTHER):
            access.tenants.create(tenant)
            access.keys.create(tenant)
        tokens = make_tokens(access.tokens)
    command = [sys.executable, "-m", "service", "serve", "--port", "0"]
    process = subprocess.Popen(command, env=_environment(settings), stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    lines: list[str] = []
    for line in process.stderr:
        lines.append(line)
        if found := re.search(r"listening on (\S+) port (\d+)", line):
            break
    else:
        raise AssertionError("".join(lines))
    reader = threading.Thread(target=lambda: lines.extend(process.stderr or ()))
    reader.start()
    try:
        yield Process(process, f"http://{found[1]}:{found[2]}", tokens, settings, lines)
    finally:
        process.kill()
        process.wait()
        reader.join()
        process.stderr.close()


@pytest.fixture(params=["sqlite", "postgres"])
def running(request: pytest.FixtureRequest, tmp_path: Path, small_bundle: Path) -> Iterator[Process]:
    """A service on each kind of database."""
    url = None if request.param == "sqlite" else request.getfixturevalue("postgres_url")
    settings = Settings(home=tmp_path / "home", weights=small_bundle, database_url=url)
    migrate(settings)
    yield from _started(settings)


def test_from_start_to_stop(running: Process, photo: bytes, portrait: Pixels) -> None:
    made = running.post("/v1/anonymize", "anonymize", photo)
    assert made.status_code == 200
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
    _until(lambda: _entries(running, TENANT)[-1]["kind"] == "foreign-attempt")
    assert _outcomes(running, TENANT) == ["recovered", "scope-missing", "token-refused", "form-invalid"]
    (denied,) = _outcomes(running, OTHER)
    assert denied in {"record-refused", "record-unknown"}

    upload = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        begun = threading.Event()
        last = pool.submit(_detect_slowly, running, photo, begun, upload)
        assert begun.wait(PATIENCE_S)
        running.process.send_signal(signal.SIGTERM)
        _until(lambda: running.get("/readyz").status_code == 503)
        assert running.get("/readyz").json()["status"] == "draining"
        upload.set()
        assert last.result(PATIENCE_S).status_code == 200
    assert running.process.wait(PATIENCE_S) == 0
    said = "".join(running.lines)
    assert "not for production: the keys" in said
    assert ("the database is SQLite" in said) == (running.settings.database_url is None)
    logged = [json.loads(line) for line in running.lines if line.startswith("{")]
    assert {"/v1/anonymize", "/v1/recover"} <= {line.get("route") for line in logged}
    assert not any(token in said for token in running.tokens.values())


def _outcomes(running: Process, tenant: str) -> list[str]:
    entries = [entry for entry in _entries(running, tenant) if entry["kind"] != "foreign-attempt"]
    assert [entry["kind"] for entry in entries] == ["intent", "outcome"] * (len(entries) // 2)
    return [entry["detail"] for entry in entries[1::2]]


def _entries(running: Process, tenant: str) -> list[dict[str, str]]:
    database = open_audit_database(running.settings)
    query = select(audit_entries.c.body).where(audit_entries.c.tenant == tenant).order_by(audit_entries.c.index)
    with transaction(database) as connection:
        entries = [json.loads(body) for body in connection.execute(query).scalars()]
    database.dispose()
    return entries


def _detect_slowly(running: Process, image: bytes, begun: threading.Event, upload: threading.Event) -> httpx.Response:
    """A request whose end waits for ``upload``."""

    def body() -> Iterator[bytes]:
        yield _part("image", image)
        begun.set()
        assert upload.wait(PATIENCE_S)
        yield END

    headers = {"Authorization": f"Bearer {running.tokens['all']}", **FORM}
    url = running.url + "/v1/detect"
    return httpx.post(url, content=body(), headers=headers, timeout=PATIENCE_S, trust_env=False)


def _until(condition: Callable[[], bool]) -> None:
    while not condition():
        time.sleep(0.05)
