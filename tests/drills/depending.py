"""A service on a PostgreSQL server that may be stopped, because it is nobody else's."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
from pydantic import SecretStr

from service.settings import Settings
from tests.drills.crowd import Crowd, crowd
from tests.effort import count
from tests.postgres import PostgresServer
from tests.serving import ANALYTIC, Installation, Process, serving


@dataclass(frozen=True)
class Depending:
    """The service, and what it depends on.

    Attributes:
        photo: what the clients have anonymized.
    """

    server: PostgresServer
    service: Process
    photo: bytes

    @contextmanager
    def under_load(self) -> Iterator[Crowd]:
        """Half of the clients anonymize, half recover; behind the block, all that was recovered is in the log."""
        image = self.service.post("/v1/anonymize", "anonymize", self.photo).content

        def anonymize() -> httpx.Response:
            return self.service.post("/v1/anonymize", "anonymize", self.photo)

        def recover() -> httpx.Response:
            return self.service.post("/v1/recover", "recover", image, reason="drill", fidelity="generative")

        with crowd([anonymize, recover] * count(2, 6)) as clients:
            yield clients
        attempts = (answer.headers.get("x-visard-audit") for _, _, answer in clients.answers)
        self.service.installation.check_log({attempt for attempt in attempts if attempt is not None})


@contextmanager
def depending(server: PostgresServer, home: Path, weights: Path, photo: bytes, **settings: str) -> Iterator[Depending]:
    """A service with these settings on a server."""
    installation = Installation.make(Settings(home=home, weights=weights, database_url=SecretStr(server.url)))
    with serving(installation, ANALYTIC, **settings) as service:
        yield Depending(server, service, photo)
