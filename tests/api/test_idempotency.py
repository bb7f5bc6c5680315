"""``Idempotency-Key`` over HTTP: one image, one record, however often the request is sent."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
import pytest
from sqlalchemy import func, select

from service.administration import open_access
from service.api.multipart import Form
from service.api.once import digest_of
from service.app import create_app
from service.database.engine import transaction
from service.database.tables import records, replays
from service.errors import DatabaseUnavailable, RequestInProgress
from service.imaging import decode
from service.records.codec import read_header
from service.replays import LEASE, Claim, ReplayStore
from service.settings import Settings
from tests.api.conftest import TENANT, Pixels, Service, assert_problem, close, pixels_of
from tests.api.keyed import at_another_time, keyed, stored
from tests.api.test_lifecycle import PATIENCE_S, Gated


def test_a_request_sent_again_is_answered_again(service: Service, photo: bytes, portrait: Pixels) -> None:
    key = str(uuid4())
    before = stored(service)
    first = keyed(service, key, photo, seal="embed")
    # In quotes, as the draft has it, and on the other path: the same key.
    again = service.post("/anonymize", "all", photo, headers={"Idempotency-Key": f'"{key}"'}, seal="embed")
    assert first.status_code == again.status_code == 200
    assert again.content == first.content
    for name in ("x-visard-record", "x-visard-faces", "content-type"):
        assert again.headers[name] == first.headers[name]
    assert ("x-visard-replayed" in first.headers, again.headers["x-visard-replayed"]) == (False, "true")
    assert first.headers["x-request-id"] != again.headers["x-request-id"]
    assert stored(service) == before + 1
    back = service.post("/v1/recover", "all", again.content, reason="test")
    assert np.array_equal(pixels_of(back.content), portrait)


def test_an_answer_in_json_is_given_again(service: Service, photo: bytes) -> None:
    headers = {"Accept": "application/json"}
    first, again = (keyed(service, "JSON", photo, headers=headers) for _ in range(2))
    assert first.json() == again.json()
    assert again.headers["content-type"] == "application/json"


def test_another_request_under_the_same_key_is_refused(service: Service, photo: bytes, grey: bytes) -> None:
    key = str(uuid4())
    assert keyed(service, key, photo).status_code == 200
    for answer in (
        keyed(service, key, grey),
        keyed(service, key, photo, coverage="head"),
        keyed(service, key, photo, headers={"Accept": "application/json"}),
    ):
        assert_problem(answer, 422, "idempotency-key-reused")
    assert_problem(keyed(service, key, photo, seal="nonsense"), 422, "form-invalid")


def test_callers_do_not_share_keys(service: Service, photo: bytes) -> None:
    answers = [keyed(service, "shared-key", photo, caller=caller) for caller in ("all", "anonymize", "other")]
    assert len({answer.headers["x-visard-record"] for answer in answers}) == 3


def test_a_nonce_never_serves_two_images(service: Service, photo: bytes) -> None:
    """Not even for the same bytes: only the key says that it is the same request."""
    answers = [keyed(service, str(uuid4()), photo) for _ in range(3)] + [keyed(service, "n", photo) for _ in range(2)]
    nonces = [read_header(decode(answer.content).record).nonce for answer in answers]
    assert len(set(nonces)) == 4
    assert nonces[-1] == nonces[-2]


def test_of_two_at_once_one_is_carried_out(service: Service, photo: bytes) -> None:
    desk, key = service.desk, str(uuid4())
    part = Gated(desk.parts.detector)
    with service.at(replace(desk, parts=replace(desk.parts, detector=part))), ThreadPoolExecutor(1) as pool:
        first = pool.submit(keyed, service, key, photo)
        assert part.begun.wait(PATIENCE_S)
        refused = keyed(service, key, photo)
        assert_problem(refused, 409, "request-in-progress")
        assert int(refused.headers["retry-after"]) > 0
        part.gate.set()
        made = first.result(PATIENCE_S)
    assert keyed(service, key, photo).content == made.content


def test_a_failed_request_does_not_use_its_key_up(service: Service, photo: bytes, grey: bytes) -> None:
    key = str(uuid4())
    for _ in range(2):
        assert_problem(keyed(service, key, grey), 422, "no-faces")
    assert keyed(service, key, photo).status_code == 200


@pytest.mark.parametrize("headers", [{}, {"Accept": "application/json"}])
def test_an_answer_that_may_be_the_callers_own_photo_is_not_kept(
    headers: dict[str, str], service: Service, grey: bytes
) -> None:
    key, before = str(uuid4()), answers_kept(service)
    for _ in range(2):
        answer = keyed(service, key, grey, no_faces="pass", headers=headers)
        assert (answer.status_code, "x-visard-replayed" in answer.headers) == (200, False)
    assert answers_kept(service) == before


def answers_kept(service: Service) -> int:
    with transaction(service.desk.replays._engine) as connection:
        return connection.execute(select(func.count()).select_from(replays)).scalar_one()


class _CannotKeep:
    """A store whose database fails between the work and the answer; in a crash it does not come back either."""

    def __init__(self, real: ReplayStore, *, crash: bool) -> None:
        self.begin = real.begin
        self.release = self.keep if crash else real.release

    def keep(self, *_: object) -> None:
        raise DatabaseUnavailable("the database did not carry out the request")


def test_what_cannot_be_kept_may_be_tried_again_at_once_and_leaves_no_record(service: Service, photo: bytes) -> None:
    desk, key, before = service.desk, str(uuid4()), stored(service)
    with service.at(replace(desk, replays=_CannotKeep(desk.replays, crash=False))):
        assert_problem(keyed(service, key, photo), 503, "database-unavailable")
    assert stored(service) == before
    made = keyed(service, key, photo)
    assert (made.status_code, "x-visard-replayed" in made.headers) == (200, False)


class _LosesTheWord:
    """A store that keeps, and whose database is away before it can say so."""

    def __init__(self, real: ReplayStore) -> None:
        self.begin = real.begin
        self.release = real.release
        self._real = real

    def keep(self, *arguments: Any) -> None:
        self._real.keep(*arguments)
        raise DatabaseUnavailable("the database did not carry out the request")


def test_what_was_kept_after_all_is_what_the_next_try_gets_and_its_record_stays(
    service: Service, photo: bytes, portrait: Pixels
) -> None:
    desk, key, before = service.desk, str(uuid4()), stored(service)
    with service.at(replace(desk, replays=_LosesTheWord(desk.replays))):
        assert_problem(keyed(service, key, photo), 503, "database-unavailable")
    made = keyed(service, key, photo)
    assert (made.headers["x-visard-replayed"], stored(service)) == ("true", before + 1)
    back = service.post("/v1/recover", "all", made.content, reason="test")
    assert np.array_equal(pixels_of(back.content), portrait)


class _BreaksTwice(_CannotKeep):
    """A store that loses its claim, and cannot clear up behind itself for a reason nobody foresaw."""

    def __init__(self, real: ReplayStore) -> None:
        super().__init__(real, crash=False)
        self.release = self._release

    def keep(self, *_: object) -> None:
        raise RequestInProgress("lost")

    def _release(self, *_: object) -> None:
        raise RuntimeError("password=hunter2")


def test_a_failure_to_clear_up_hides_no_other_and_names_the_record(
    service: Service, photo: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    desk = service.desk
    with service.at(replace(desk, replays=_BreaksTwice(desk.replays))):
        assert_problem(keyed(service, str(uuid4()), photo), 409, "request-in-progress")
    (told,) = [record.getMessage() for record in caplog.records if "nobody got" in record.getMessage()]
    assert "RuntimeError" in told and "hunter2" not in caplog.text
    with transaction(desk.replays._engine) as connection:
        assert any(str(record) in told for record in connection.execute(select(records.c.id)).scalars())


def test_who_was_too_slow_leaves_no_record(service: Service, photo: bytes) -> None:
    """Work that outlives its claim: another has begun anew, and its answer is the one that counts."""
    desk, key, before = service.desk, str(uuid4()), stored(service)
    part = Gated(desk.parts.detector)
    with service.at(replace(desk, parts=replace(desk.parts, detector=part))), ThreadPoolExecutor(1) as pool:
        slow = pool.submit(keyed, service, key, photo)
        assert part.begun.wait(PATIENCE_S)
        another = at_another_time(service, LEASE)
        assert isinstance(another.begin(TENANT, "auditor", key, digest_of(Form(photo, {}), False)), Claim)
        part.gate.set()
        assert_problem(slow.result(PATIENCE_S), 409, "request-in-progress")
    assert stored(service) == before


def test_what_cannot_be_kept_is_not_given_and_the_key_is_not_lost(service: Service, photo: bytes) -> None:
    desk, key = service.desk, str(uuid4())
    with service.at(replace(desk, replays=_CannotKeep(desk.replays, crash=True))):
        assert_problem(keyed(service, key, photo), 503, "database-unavailable")
    assert_problem(keyed(service, key, photo), 409, "request-in-progress")
    with service.at(replace(desk, replays=at_another_time(service, LEASE))):
        made = keyed(service, key, photo)
    assert (made.status_code, "x-visard-replayed" in made.headers) == (200, False)
    assert keyed(service, key, photo).content == made.content


def test_a_start_forgets_what_has_expired(settings_for: Callable[[Path], Settings], tmp_path: Path) -> None:
    settings = settings_for(tmp_path / "home")
    with open_access(settings) as access:
        database = access.replays._engine
        long_ago = ReplayStore(
            database, bytes(32), timedelta(days=1), now=lambda: datetime.now(UTC) - timedelta(days=2)
        )
        long_ago.begin("hospital", "camera", "key", b"")

        def forgotten() -> bool:
            with transaction(database) as connection:
                return connection.execute(select(func.count()).select_from(replays)).scalar_one() == 0

        assert not forgotten()
        close(create_app(settings), forgotten)


@pytest.mark.parametrize("key", ["", " ", '""', "two words", "a" * 256, 'quo"te', "back\\slash", "umlaut-\xe4"])
def test_malformed_keys(key: str, service: Service, grey: bytes) -> None:
    answer = service.post("/v1/anonymize", "all", grey, headers={"Idempotency-Key": key.encode("latin-1")})
    assert_problem(answer, 400, "idempotency-key-invalid")
