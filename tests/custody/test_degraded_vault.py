"""A Vault that is not well: what callers and probes are told, and that it ends by itself."""

import asyncio
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from service.api.errors import ANSWERS
from service.errors import KeysUnavailable
from tests.api.conftest import Service, assert_problem, pixels_of
from tests.custody.conftest import Start, photo, picture, recover
from tests.vault.running import Double


def _ready(service: Service) -> str:
    answer = service.request("GET", "/readyz")
    found: str = answer.json()["parts"]["keys"]
    assert (answer.status_code == 200) == (found == "ok")
    return found


@pytest.mark.parametrize(
    "ill",
    [
        {"sealed": True},
        {"initialized": False},
        {"fault": 429},
        {"fault": 500},
        {"fault": "drop"},
        {"fault": "malformed"},
    ],
)
def test_it_is_unavailable_until_it_is_well_again(
    ill: dict[str, Any], mode: str, start: Start, vault_double: Double
) -> None:
    service = start(mode, vault_retries=0)
    made = service.post("/v1/anonymize", "all", photo(1))
    assert made.status_code == 200 and _ready(service) == "ok"
    if "fault" in ill:
        vault_double.fault(ill["fault"], times=1000)
    else:
        vault_double.order("state", **ill)
    before = len(service.entries())
    for answer in (service.post("/v1/anonymize", "all", photo(2)), recover(service, made.content)):
        assert_problem(answer, 503, "keys-unavailable")
        assert int(answer.headers["retry-after"]) == ANSWERS[KeysUnavailable].retry_s
    assert _ready(service) == "unavailable"
    assert service.request("GET", "/livez").status_code == 200
    intent, outcome = service.entries()[before:]
    assert (intent["kind"], outcome["result"], outcome["detail"]) == ("intent", "failed", "keys-unavailable")
    vault_double.heal()
    assert _ready(service) == "ok"
    back = recover(service, made.content)
    assert np.array_equal(pixels_of(back.content), picture(1))
    assert service.post("/v1/anonymize", "all", photo(2)).status_code == 200


def test_a_standby_serves(mode: str, start: Start, vault_double: Double) -> None:
    service = start(mode)
    vault_double.order("state", standby=True)
    assert _ready(service) == "ok"
    assert service.post("/v1/anonymize", "all", photo(1)).status_code == 200


def test_a_token_that_expires_in_between_is_not_noticed(mode: str, start: Start, vault_double: Double) -> None:
    service = start(mode, vault_retries=0)
    made = service.post("/v1/anonymize", "all", photo(1))
    for _ in range(3):
        vault_double.order("expire")
        assert recover(service, made.content).status_code == 200
        vault_double.order("expire")
        assert service.post("/v1/anonymize", "all", photo(2)).status_code == 200


def test_a_service_that_may_not_is_told_so(mode: str, start: Start, vault_double: Double) -> None:
    service = start(mode)
    made = service.post("/v1/anonymize", "all", photo(1))
    vault_double.ask("PUT", "sys/policies/acl/visard", {"policy": 'path "nothing" { capabilities = ["read"] }'})
    try:
        for answer in (service.post("/v1/anonymize", "all", photo(2)), recover(service, made.content)):
            assert_problem(answer, 403, "keys-forbidden")
        assert service.entries()[-1]["detail"] == "keys-forbidden"
        assert "visard_key_fetch_errors_total 2.0" in service.request("GET", "/metrics").text
        # Last: reading the metrics starts checks that nobody waits for, and this joins them.
        assert _ready(service) == "unavailable"
    finally:
        rights = '{ capabilities = ["create", "read", "update", "list"] }'
        policy = "\n".join(f'path "{mount}/*" {rights}' for mount in (vault_double.kv, vault_double.transit))
        vault_double.ask("PUT", "sys/policies/acl/visard", {"policy": policy})
    assert _ready(service) == "ok"
    assert recover(service, made.content).status_code == 200


def test_a_service_starts_while_vault_is_sealed(mode: str, start: Start, vault_double: Double) -> None:
    first = start(mode)
    vault_double.seal()
    service = start(mode, first)
    assert _ready(service) == "unavailable"
    vault_double.unseal()
    assert _ready(service) == "ok"
    assert service.post("/v1/anonymize", "all", photo(1)).status_code == 200


def test_custody_never_runs_on_the_event_loop(mode: str, start: Start) -> None:
    service = start(mode)
    desk = service.desk
    loops: list[object] = []

    class Watched:
        def __getattr__(self, name: str) -> Any:
            loops.append(asyncio._get_running_loop())
            return getattr(desk.parts.keys, name)

    service.app.state.desk = replace(desk, parts=replace(desk.parts, keys=Watched()))
    made = service.post("/v1/anonymize", "all", photo(1))
    assert recover(service, made.content).status_code == 200
    assert loops and set(loops) == {None}
