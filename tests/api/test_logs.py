"""Log lines: one JSON object each, which request they are about, and nothing that must not be in them."""

import base64
import io
import json
import logging
import sys
import threading
import warnings
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.api.logs import REQUEST, JsonLines, log_to_stderr
from tests.access.provider import token
from tests.api.conftest import Service


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    """What is logged, at every level, as it would be written."""
    out, root = io.StringIO(), logging.getLogger()
    handler, level = logging.StreamHandler(out), root.level
    handler.setFormatter(JsonLines())
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield out
    root.setLevel(level)
    root.removeHandler(handler)


def rendered(logger: str, message: str, *arguments: object, **more: Any) -> dict[str, Any]:
    record = logging.LogRecord(logger, logging.INFO, "", 1, message, arguments, more.pop("exc_info", None))
    vars(record).update(more)
    text = JsonLines().format(record)
    assert "\n" not in text
    return json.loads(text)


@given(st.text(), st.text())
def test_every_line_is_one_object(logger: str, message: str) -> None:
    line = rendered(logger, "%s", message)
    assert line["logger"] == logger
    assert {"time", "level", "message"} <= set(line)


def test_an_exception_is_told_by_kind_and_place_only() -> None:
    try:
        raise ValueError("hunter2")
    except ValueError:
        line = rendered("service.keys", "failed", exc_info=sys.exc_info())
    assert line["kind"] == "ValueError"
    assert line["where"][-1].startswith("test_an_exception")
    assert "hunter2" not in str(line)


def test_of_foreign_messages_only_the_first_line_is_kept() -> None:
    told = "Task exception was never retrieved\nfuture: <Task exception=ValueError('hunter2')>"
    assert rendered("asyncio", told)["message"] == "Task exception was never retrieved"
    assert rendered("service.keys", "two\nlines")["message"] == "two\nlines"
    assert rendered("asyncio", "")["message"] == ""


def test_tokens_are_struck_out_wherever_they_come_from() -> None:
    ours = "visard_" + "aB3-_" * 8 + "xyz"
    for secret in (ours, token()):
        line = rendered("urllib3", "GET / Authorization: Bearer %s", secret, fields={"headers": {"a": secret}})
        assert secret not in str(line)
        assert "***" in line["message"]


def test_a_line_names_its_request_in_whatever_thread(service: Service, grey: bytes, lines: io.StringIO) -> None:
    desk = service.desk

    def detector(*arguments: Any) -> Any:
        logging.getLogger("service.faces").info("looking")
        return desk.parts.detector(*arguments)

    with service.at(replace(desk, parts=replace(desk.parts, detector=detector))):
        for request in ("id-1", "id-2"):
            service.post("/v1/detect", "all", grey, headers={"X-Request-Id": request})
    found = [json.loads(line) for line in lines.getvalue().splitlines()]
    assert [line["request"] for line in found if line["message"] == "looking"] == ["id-1", "id-2"]
    assert REQUEST.get() is None


def test_the_access_log_names_the_problem(service: Service, grey: bytes, lines: io.StringIO) -> None:
    service.post("/v1/anonymize", "all", grey)
    service.post("/v1/detect", "all", grey)
    found = [json.loads(line) for line in lines.getvalue().splitlines()]
    access = [line for line in found if line["logger"] == "visard.access"]
    assert [(line["status"], line["problem"]) for line in access] == [(422, "no-faces"), (200, None)]


def test_no_token_key_or_pixel_is_logged_even_at_the_lowest_level(
    service: Service, photo: bytes, lines: io.StringIO
) -> None:
    made = service.post("/v1/anonymize", "all", photo, headers={"Idempotency-Key": "quiet"})
    for image in (made.content, photo, made.content[:-9]):
        service.post("/v1/recover", "all", image, reason="a very private reason")
    service.post("/v1/recover", "expired", photo)
    said = lines.getvalue()
    assert said.count('"visard.access"') == 5
    secrets = [*service.tokens.values(), service.desk.tokens._pepper.hex(), "a very private reason"]
    for data in (photo, made.content):
        part = data[200:224]
        secrets += [part.hex(), base64.b64encode(part).decode(), repr(part)[2:-1]]
    assert [secret for secret in secrets if secret in said] == []


def test_warnings_and_what_ends_a_thread_are_lines_too(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(threading, "excepthook", threading.excepthook)
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level

    def fail() -> None:
        raise ValueError("hunter2")

    try:
        log_to_stderr()
        with warnings.catch_warnings():
            warnings.simplefilter("always")
            warnings.warn("old", DeprecationWarning, stacklevel=1)
        thread = threading.Thread(target=fail)
        thread.start()
        thread.join()
    finally:
        logging.captureWarnings(False)
        root.handlers[:] = handlers
        root.setLevel(level)
    warned, ended = (json.loads(line) for line in capsys.readouterr().err.splitlines())
    assert "DeprecationWarning: old" in warned["message"]
    assert (ended["message"], ended["kind"]) == ("a thread ended", "ValueError")
    assert "hunter2" not in str(ended)
