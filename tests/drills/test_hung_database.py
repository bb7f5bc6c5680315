"""PostgreSQL hangs during load: nobody waits longer than the deadline, and nobody has to help afterwards."""

from pathlib import Path

from tests.drills.depending import depending
from tests.postgres import PostgresServer

DEADLINE_S = 2
SLACK = 5
"""A busy machine may take this many times longer; without a deadline it takes as long as the database hangs."""


def test_a_hung_database(stoppable_postgres: PostgresServer, tmp_path: Path, small_bundle: Path, photo: bytes) -> None:
    home = tmp_path / "home"
    with depending(stoppable_postgres, home, small_bundle, photo, VISARD_AUDIT_TIMEOUT=str(DEADLINE_S)) as parts:
        with parts.under_load() as clients:
            assert {answer.status_code for answer in clients.next(1)} == {200}
            with parts.server.frozen():
                for answer in clients.next(2):
                    assert (answer.status_code, answer.headers["content-type"]) == (503, "application/problem+json")
                    assert answer.elapsed.total_seconds() < DEADLINE_S * SLACK
                assert parts.service.get("/livez").status_code == 200
                assert parts.service.get("/readyz").json()["parts"]["database"] == "unavailable"
            clients.wait_for(200)
            assert {answer.status_code for answer in clients.next(1)} == {200}
        assert {answer.status_code for _, _, answer in clients.answers} <= {200, 429, 503}
        assert parts.service.get("/readyz").status_code == 200
