"""PostgreSQL stops during load, and comes back: nothing but 503 meanwhile, and nobody has to help afterwards."""

from pathlib import Path

from tests.drills.depending import depending
from tests.postgres import PostgresServer


def test_a_stopped_database(
    stoppable_postgres: PostgresServer, tmp_path: Path, small_bundle: Path, photo: bytes
) -> None:
    with depending(stoppable_postgres, tmp_path / "home", small_bundle, photo) as parts:
        with parts.under_load() as clients:
            assert {answer.status_code for answer in clients.next(1)} == {200}
            with parts.server.stopped():
                for answer in clients.next(2):
                    assert (answer.status_code, answer.headers["content-type"]) == (503, "application/problem+json")
                    assert "retry-after" in answer.headers
                assert parts.service.get("/livez").status_code == 200
                assert parts.service.get("/readyz").json()["parts"]["database"] == "unavailable"
            clients.wait_for(200)
            assert {answer.status_code for answer in clients.next(1)} == {200}
        assert {answer.status_code for _, _, answer in clients.answers} == {200, 503}
        assert parts.service.get("/readyz").status_code == 200
