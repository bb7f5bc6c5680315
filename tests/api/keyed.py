"""Requests under idempotency keys, and what the database then holds."""

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
from sqlalchemy import func, select

from service.database.engine import transaction
from service.database.tables import records, replays
from service.replays import ReplayStore
from tests.api.conftest import Service


def keyed(service: Service, key: str, image: bytes, *, caller: str = "all", **fields: object) -> httpx.Response:
    headers = {"Idempotency-Key": key, **fields.pop("headers", {})}
    return service.post("/v1/anonymize", caller, image, headers=headers, **fields)


def stored(service: Service) -> int:
    with transaction(service.desk.parts.records._engine) as connection:
        return connection.execute(select(func.count()).select_from(records)).scalar_one()


def kept(service: Service) -> list[Any]:
    """The rows of the answers, newest last."""
    with transaction(service.desk.replays._engine) as connection:
        return connection.execute(select(replays).order_by(replays.c.expires)).all()


def at_another_time(service: Service, after: timedelta, pepper: bytes | None = None) -> ReplayStore:
    """The store of another process, whose clock goes ahead."""
    desk = service.desk
    return ReplayStore(
        desk.replays._engine, pepper or desk.tokens._pepper, timedelta(days=1), now=lambda: datetime.now(UTC) + after
    )
