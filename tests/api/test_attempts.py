"""What known callers leave in the audit log where their request ends before it is read."""

import pytest
from fastapi import Request

from service.api import recover
from service.api.attempts import client_of
from tests.api.conftest import Service, assert_problem


@pytest.mark.parametrize(
    ("host", "said"),
    [
        ("203.0.113.9", "203.0.113.9"),
        ("2001:DB8::0:1", "2001:db8::1"),
        ("fe80::1%eth0", "fe80::1"),
        ("fe80::1%eth0\x85forged", "fe80::1"),
        ("two\x85lines", "(unreadable)"),
        ("9" * 1001, "(unreadable)"),
        ("unknown", "(unreadable)"),
        ("", "(unreadable)"),
    ],
)
def test_what_the_log_says_of_where_a_request_came_from_is_an_address(host: str, said: str) -> None:
    assert client_of(Request({"type": "http", "client": (host, 0)})) == said


def test_a_request_may_come_from_nowhere() -> None:
    assert client_of(Request({"type": "http", "client": None})) is None


def test_what_nobody_foresaw_while_the_form_is_read_is_in_the_log(
    service: Service, grey: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: object) -> None:
        raise RuntimeError("secret")

    monkeypatch.setattr(recover, "read_form", broken)
    assert_problem(service.post("/v1/recover", "recover", grey, reason="test"), 500, "fault")
    intent, outcome = service.entries()[-2:]
    assert (intent["kind"], intent["subject"]) == ("intent", "court")
    assert (outcome["result"], outcome["detail"]) == ("failed", "fault")
