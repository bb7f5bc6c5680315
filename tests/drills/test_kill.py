"""kill -9 in the middle of recoveries: nothing was answered that is not in the log, and the log is whole."""

import random
from concurrent.futures import ThreadPoolExecutor, as_completed

import httpx

from tests.api.conftest import OTHER
from tests.effort import count
from tests.serving import ANALYTIC, Installation, Process, serving

RECOVERIES = 20


def test_what_was_answered_before_a_kill_is_in_the_log(installation: Installation, photo: bytes) -> None:
    rng, answered = random.Random(5), set[str]()
    for _ in range(count(1, 20)):
        with serving(installation, ANALYTIC) as service:
            image = service.post("/v1/anonymize", "anonymize", photo).content
            now = _killed_after(rng.randrange(RECOVERIES // 2), service, image)
        assert len(now) < RECOVERIES
        answered |= now
        installation.check_log(answered)
    with serving(installation, ANALYTIC) as service:
        answered.add(_recovered(service, image, "best"))
    installation.check_log(answered)


def test_an_owner_is_told_though_the_service_is_killed_behind_the_answer(
    installation: Installation, photo: bytes
) -> None:
    for number in range(1, 1 + count(1, 20)):
        with serving(installation, ANALYTIC) as service:
            image = service.post("/v1/anonymize", "anonymize", photo).content
            refused = service.post("/v1/recover", "other", image, reason="drill")
            service.process.kill()
        assert refused.status_code == 404
        told = [entry["by_attempt"] for entry in installation.entries() if entry["kind"] == "foreign-attempt"]
        assert len(told) == number
        assert told[-1] == installation.entries(OTHER)[-1]["attempt"]
    verified = installation.visard("audit", "verify", "--checkpoint", installation.checkpoints)
    assert verified.returncode == 0, verified.stdout


def _killed_after(answers: int, service: Process, image: bytes) -> set[str]:
    """Ask for all at once, kill when so many have been answered; returns the attempts that were answered."""
    answered = set()
    with ThreadPoolExecutor(RECOVERIES) as pool:
        fidelities = ("generative", "best") * (RECOVERIES // 2)
        asked = [pool.submit(_recovered, service, image, fidelity) for fidelity in fidelities]
        for number, done in enumerate(as_completed(asked)):
            if number == answers:
                service.process.kill()
            try:
                answered.add(done.result())
            except httpx.TransportError:
                assert number > answers
    return answered


def _recovered(service: Process, image: bytes, fidelity: str) -> str:
    """The attempt, if it was answered."""
    answer = service.post("/v1/recover", "recover", image, reason="drill", fidelity=fidelity)
    assert answer.status_code == 200, answer.text
    return answer.headers["x-visard-audit"]
