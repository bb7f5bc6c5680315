"""What is kept of an answer under its idempotency key: sealed, and erased with its image."""

import base64
import hashlib
import json
import struct
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from uuid import UUID, uuid4

import httpx
import pytest
from sqlalchemy import select, update

from service.api.multipart import Form
from service.api.once import digest_of
from service.database.engine import transaction
from service.database.tables import replays
from tests.api.conftest import OTHER, TENANT, Service, assert_problem
from tests.api.keyed import at_another_time, kept, keyed, stored
from tests.api.test_lifecycle import PATIENCE_S, Gated


@pytest.fixture
def erasable(service: Service) -> Iterator[None]:
    """The tenant while its images can be shredded, and expire."""
    service.desk.parts.tenants.set(TENANT, erasable=True, lifetime=timedelta(hours=1))
    yield
    service.desk.parts.tenants.set(TENANT, erasable=False, lifetime=None)


@pytest.mark.parametrize(("seal", "as_json"), [("record", True), ("embed", False), ("embed", True)])
def test_the_database_holds_nothing_of_what_was_asked_and_answered(
    seal: str, as_json: bool, service: Service, photo: bytes
) -> None:
    key, before = str(uuid4()), kept(service)
    headers = {"Accept": "application/json"} if as_json else {}
    made = keyed(service, key, photo, headers=headers, seal=seal)
    (row,) = set(kept(service)) - set(before)
    values = [bytes(value) if isinstance(value, bytes) else str(value).encode() for value in row]
    secrets = [hashlib.sha256(photo).digest(), digest_of(Form(photo, {"seal": seal}), as_json), key.encode()]
    secrets += [hashlib.sha256(json.dumps([TENANT, "auditor", key]).encode()).digest(), made.content]
    if as_json:
        answer = made.json()
        (face,) = answer["faces"]
        confidence, file = face["confidence"], base64.b64decode(answer["image"])
        secrets += [repr(confidence).encode(), *(struct.pack(kind, confidence) for kind in ("<f", ">f", "<d", ">d"))]
        secrets += [json.dumps(face["box"], separators=(",", ":")).encode(), b"confidence", answer["image"].encode()]
    else:
        file = made.content
    # Of the file any part of it, too.
    secrets += [file[at : at + 24] for at in range(0, len(file) - 24, 997)]
    for secret in secrets:
        assert all(secret not in value and secret.hex().encode() not in value for value in values)
    assert keyed(service, key, photo, headers=headers, seal=seal).content == made.content


def test_while_an_irreversible_image_is_made_nothing_tells_which_and_then_nothing_is_left(
    service: Service, photo: bytes
) -> None:
    desk, key, before = service.desk, str(uuid4()), kept(service)
    part = Gated(desk.parts.detector)
    service.desk.parts.tenants.set(OTHER, irreversible=True)
    try:
        with service.at(replace(desk, parts=replace(desk.parts, detector=part))), ThreadPoolExecutor(1) as pool:
            first = pool.submit(keyed, service, key, photo, caller="other")
            assert part.begun.wait(PATIENCE_S)
            (row,) = set(kept(service)) - set(before)
            part.gate.set()
            assert first.result(PATIENCE_S).status_code == 200
    finally:
        service.desk.parts.tenants.set(OTHER, irreversible=False)
    assert row.request not in (hashlib.sha256(photo).digest(), digest_of(Form(photo, {}), False))
    assert (row.record, row.head, row.body) == (None, None, None)
    assert kept(service) == before


@pytest.mark.parametrize("seal", ["record", "embed"])
def test_an_answer_is_erased_with_the_exact_copy(seal: str, service: Service, photo: bytes, grey: bytes) -> None:
    key = str(uuid4())
    made = keyed(service, key, photo, seal=seal)
    _assert_erased(service, key, photo, grey, made, "exact-copy" if seal == "record" else "nothing", seal=seal)


def test_an_answer_is_erased_with_an_erasable_image(
    service: Service, erasable: None, photo: bytes, grey: bytes
) -> None:
    key = str(uuid4())
    made = keyed(service, key, photo, seal="embed")
    _assert_erased(service, key, photo, grey, made, "image", seal="embed")


def _assert_erased(
    service: Service, key: str, photo: bytes, grey: bytes, made: httpx.Response, what: str, **fields: str
) -> None:
    record, before = made.headers["x-visard-record"], stored(service)
    assert service.request("DELETE", f"/v1/records/{record}", "other-erase").status_code == 404
    assert keyed(service, key, photo, **fields).content == made.content
    assert service.request("DELETE", f"/v1/records/{record}", "erase").json()["erased"] == what
    (row,) = [row for row in kept(service) if row.record == UUID(record)]
    assert (row.head, row.body) == (None, None)
    for _ in range(2):
        assert_problem(keyed(service, key, photo, **fields), 410, "answer-gone")
    assert_problem(keyed(service, key, grey, **fields), 422, "idempotency-key-reused")
    assert stored(service) == before - (what == "image")


def test_an_answer_ends_when_its_image_expires(service: Service, erasable: None, photo: bytes) -> None:
    key = str(uuid4())
    made = keyed(service, key, photo)
    assert keyed(service, key, photo).content == made.content
    with service.at(replace(service.desk, replays=at_another_time(service, timedelta(hours=1)))):
        assert_problem(keyed(service, key, photo), 410, "answer-gone")


def test_a_damaged_answer_is_a_refusal_and_no_fault(service: Service, photo: bytes) -> None:
    key = str(uuid4())
    record = UUID(keyed(service, key, photo).headers["x-visard-record"])
    with transaction(service.desk.replays._engine) as connection:
        mine = replays.c.record == record
        body = connection.execute(select(replays.c.body).where(mine)).scalar_one()
        connection.execute(update(replays).where(mine).values(body=body[:-1] + bytes([body[-1] ^ 1])))
    for _ in range(2):
        assert_problem(keyed(service, key, photo), 410, "answer-gone")


def test_under_another_pepper_a_key_is_an_unknown_one(service: Service, photo: bytes) -> None:
    key = str(uuid4())
    first = keyed(service, key, photo)
    other = at_another_time(service, timedelta(0), b"another pepper".ljust(32))
    with service.at(replace(service.desk, replays=other)):
        second = keyed(service, key, photo)
    assert (second.status_code, "x-visard-replayed" in second.headers) == (200, False)
    assert keyed(service, key, photo).content == first.content != second.content
