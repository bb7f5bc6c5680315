"""Hundreds of requests while Vault has one fault after the other: late answers, never a lost or a wrong one."""

import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import numpy as np

from service.api.errors import ANSWERS
from service.audit.checkpoint import origin_of
from service.audit.stored import stored_log
from service.audit.verify import Severity, verify_entries
from tests.api.conftest import TENANT, Service, pixels_of
from tests.custody.conftest import DRILLS, Start, photo, picture
from tests.vault.running import Double

REQUESTS = 500 if DRILLS else 40
FAULTS = ("seal", "drop", "lose", "delay", "expire", "403", "429", "500", "malformed")
PATIENCE_S = 0.5
PER_ROUND = 2

assert 500 not in {answer.status for kind, answer in ANSWERS.items() if kind.__name__.startswith("Key")}


def _in_random_order(chance: random.Random) -> Iterator[str]:
    """Each as often as the others."""
    while True:
        yield from chance.sample(FAULTS, len(FAULTS))


def _strike(vault: Double, kind: str, chance: random.Random) -> None:
    if kind == "seal":
        vault.order("state", sealed=True)
    elif kind == "expire":
        vault.order("expire")
    else:
        vault.fault(kind, times=chance.randint(1, 8), seconds=10)


def _checked(answer: httpx.Response) -> httpx.Response:
    assert answer.status_code in (200, 403, 503), answer.text
    if answer.status_code != 200:
        assert answer.json()["type"] in ("urn:visard:problem:keys-unavailable", "urn:visard:problem:keys-forbidden")
    return answer


def test_no_fault_loses_an_image_or_gives_a_wrong_one(mode: str, start: Start, vault_double: Double) -> None:
    service = start(mode, vault_timeout=PATIENCE_S)
    chance = random.Random(4)
    made: dict[int, bytes] = {0: service.post("/v1/anonymize", "all", photo(0)).content}
    met = vault_double.met()
    seen: set[int] = set()
    recoveries = 0

    def anonymize(number: int) -> httpx.Response:
        return _checked(service.post("/v1/anonymize", "all", photo(number)))

    def recover(number: int) -> httpx.Response:
        answer = _checked(service.post("/v1/recover", "all", made[number], reason="test"))
        if answer.status_code == 200:
            assert np.array_equal(pixels_of(answer.content), picture(number))
        return answer

    with ThreadPoolExecutor(PER_ROUND) as pool:
        for number, kind in zip(range(1, REQUESTS // PER_ROUND + 1), _in_random_order(chance), strict=False):
            _strike(vault_double, kind, chance)
            recovered = pool.submit(recover, chance.choice(sorted(made)))
            answer = pool.submit(anonymize, number).result()
            recoveries += 1
            seen |= {answer.status_code, recovered.result().status_code}
            if answer.status_code == 200:
                made[number] = answer.content
            vault_double.heal()
    assert set(vault_double.met() - met) == set(FAULTS)
    assert seen >= {200, 503}
    for number in made:
        answer = recover(number)
        assert (answer.status_code, answer.headers["x-visard-verified"]) == (200, "image")
    _audit_is_complete(service, recoveries + len(made))


def _audit_is_complete(service: Service, recoveries: int) -> None:
    entries = service.entries()
    intents = [entry["attempt"] for entry in entries if entry["kind"] == "intent"]
    outcomes = [entry["attempt"] for entry in entries if entry["kind"] == "outcome"]
    assert sorted(intents) == sorted(outcomes) and len(set(intents)) == recoveries
    audit = service.desk.parts.audit
    with stored_log(audit._engine, TENANT) as log:
        found = verify_entries(log, origin_of(TENANT), audit._signer.public_key)
    assert not any(finding.severity is Severity.TAMPERING for finding in found)
