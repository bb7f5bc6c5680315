"""A store of answers with a clock of its own, and what is in its database."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Engine, func, select

from service.database.engine import transaction
from service.database.tables import records, replays
from service.records.store import RecordStore, StoredRecord
from service.replays import Answer, Claim, ReplayStore

PEPPER = b"p" * 32
RETENTION = timedelta(hours=24)
ONE, TWO = b"1" * 32, b"2" * 32
ANSWER = Answer("image/png", {"x-visard-record": "7"}, b"\0pixels\xff")


class Clock:
    def __init__(self) -> None:
        self.time = datetime(2026, 1, 2, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.time


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(database: Engine, clock: Clock) -> ReplayStore:
    return ReplayStore(database, PEPPER, RETENTION, now=clock)


@pytest.fixture
def images(database: Engine, clock: Clock) -> RecordStore:
    return RecordStore(database, clock)


def begun(store: ReplayStore, key: str = "key", request: bytes = ONE, subject: str = "camera") -> Claim:
    claim = store.begin("acme", subject, key, request)
    assert isinstance(claim, Claim)
    return claim


def made(database: Engine, expires: datetime | None = None, *, erasable: bool = True) -> UUID:
    """The record of a new image."""
    stored = StoredRecord(
        id=uuid4(),
        tenant="acme",
        custodian="local",
        key_version=1,
        created=datetime(2026, 1, 2, tzinfo=UTC),
        pixels_digest=bytes(32),
        record=b"r",
        seal=b"sealed face",
        secret=bytes(32),
        erasable=erasable,
        expires=expires,
    )
    RecordStore(database).add(stored)
    return stored.id


def row_of(database: Engine) -> Any:
    """The only one."""
    with transaction(database) as connection:
        return connection.execute(select(replays)).one()


def images_in(database: Engine) -> set[UUID]:
    with transaction(database) as connection:
        return set(connection.execute(select(records.c.id)).scalars())


def count(database: Engine) -> int:
    with transaction(database) as connection:
        return connection.execute(select(func.count()).select_from(replays)).scalar_one()
