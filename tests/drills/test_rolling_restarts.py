"""Rolling restarts under load: no request fails that was accepted, and nothing of what was answered is lost."""

import random
import signal
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx

from service.settings import Settings
from tests.drills.crowd import crowd
from tests.effort import count
from tests.serving import ANALYTIC, PATIENCE_S, Installation, Process, serving
from tests.waiting import until

DRAIN_DELAY_S = 5
_PAUSE_S = 0.1


class Balancer:
    """Sends requests to replicas that say they are ready, as it last heard."""

    def __init__(self) -> None:
        self.ready: tuple[Process, ...] = ()
        self._replicas: list[Process] = []
        self._ended = threading.Event()
        self._random = random.Random(4)

    def add(self, replica: Process) -> None:
        """Send it requests from now on, as soon as it is ready."""
        self._replicas.append(replica)
        until(lambda: replica in self.ready)

    def one(self) -> Process:
        """Any that is ready; on a busy machine none may be for a moment."""
        ready = self.ready
        while not ready:
            until(lambda: self.ready)
            ready = self.ready
        return self._random.choice(ready)

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Ask all replicas again and again."""
        thread = threading.Thread(target=self._listen)
        thread.start()
        try:
            yield
        finally:
            self._ended.set()
            thread.join()

    def _listen(self) -> None:
        while not self._ended.wait(_PAUSE_S):
            self.ready = tuple(replica for replica in self._replicas if _is_ready(replica))


def _is_ready(replica: Process) -> bool:
    try:
        return replica.get("/readyz").status_code == 200
    except httpx.TransportError:
        return False


def test_no_request_that_was_accepted_fails(
    tmp_path: Path, postgres_url: str, small_bundle: Path, photo: bytes
) -> None:
    installation = Installation.make(Settings(home=tmp_path / "home", weights=small_bundle, database_url=postgres_url))
    balancer = Balancer()

    def asked(path: str, token: str, image: bytes, **fields: str) -> httpx.Response:
        while True:
            try:
                return balancer.one().post(path, token, image, **fields)
            except httpx.ConnectError:
                # Nobody accepted it. Any other error of transport is an accepted request that failed.
                continue

    def anonymize() -> httpx.Response:
        return asked("/v1/anonymize", "anonymize", photo)

    def recover() -> httpx.Response:
        return asked("/v1/recover", "recover", image, reason="drill", fidelity="generative")

    with ExitStack() as processes:

        def start() -> Process:
            return processes.enter_context(serving(installation, ANALYTIC, VISARD_DRAIN_DELAY=str(DRAIN_DELAY_S)))

        with balancer.listening():
            replicas = [start(), start()]
            for replica in replicas:
                balancer.add(replica)
            image = anonymize().content
            with crowd([anonymize, recover] * count(2, 4)) as clients:
                for _ in range(count(2, 20)):
                    old = replicas.pop(0)
                    replicas.append(start())
                    balancer.add(replicas[-1])
                    clients.next(1)
                    old.process.send_signal(signal.SIGTERM)
                    assert old.process.wait(2 * PATIENCE_S) == 0
    answers = [answer for _, _, answer in clients.answers]
    assert {answer.status_code for answer in answers} <= {200, 429}
    done = [answer.headers for answer in answers if answer.status_code == 200]
    installation.check_log({headers["x-visard-audit"] for headers in done if "x-visard-audit" in headers})
    installation.check_records({headers["x-visard-record"] for headers in done if "x-visard-audit" not in headers})
