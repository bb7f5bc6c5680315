"""Answers that are given again: a request repeated under its idempotency key is carried out once.

After draft-ietf-httpapi-idempotency-key-header. A key is claimed before the work and holds the answer after it. A
claim is a lease: when its holder died, the next one takes over, and a holder who was only slow finds its claim gone.
Only answers are kept, not errors: what failed may be tried again under the same key.
"""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

from sqlalchemy import ColumnElement, Connection, Engine, Row, delete, insert, select, update

from service.database.engine import exclusive, writing
from service.database.tables import replays
from service.errors import IdempotencyKeyReused, RequestInProgress

LEASE = timedelta(minutes=5)
"""After this long a claim without an answer is anybody's."""

_SWEPT_AT_ONCE = 100


@dataclass(frozen=True, slots=True)
class Answer:
    """What was answered.

    Attributes:
        kind: media type of the body.
        headers: besides those of every answer.
        body: bytes.
    """

    kind: str
    headers: Mapping[str, str]
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to answer a request, and to keep the answer."""

    id: bytes
    holder: UUID


class ReplayStore:
    """The table of claims and answers. Every method raises ``DatabaseUnavailable`` when the database fails."""

    def __init__(
        self,
        engine: Engine,
        retention: timedelta,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """Keep answers in ``engine``.

        Args:
            retention: how long a key is remembered after its first request.
            now: the clock, timezone-aware.
        """
        self._engine = engine
        self._retention = retention
        self._now = now

    def begin(self, tenant: str, subject: str, key: str, request: bytes) -> Claim | Answer:
        """Claim a key, or get the answer that was given under it; of several at once, one gets the claim.

        Args:
            tenant: of the caller; keys of different callers have nothing to do with each other.
            subject: of the caller.
            key: as the caller chose it.
            request: SHA-256 of all that the answer depends on.

        Raises:
            IdempotencyKeyReused: the key belongs to another request.
            RequestInProgress: the request is being answered.
        """
        claim = Claim(_digest(tenant, subject, key), uuid4())
        with exclusive(self._engine, f"visard-replay-{claim.id.hex()}") as connection:
            now = self._now()
            # The own row first: whoever waits here holds nothing yet, and the sweep waits for nobody.
            connection.execute(delete(replays).where(replays.c.id == claim.id, replays.c.expires <= now))
            _sweep(connection, now)
            row = connection.execute(select(replays).where(replays.c.id == claim.id)).one_or_none()
            if row is None:
                self._insert(connection, claim, tenant, request, now)
                return claim
            if row.request != request:
                raise IdempotencyKeyReused("this idempotency key belongs to another request")
            if row.body is not None:
                return _answer(row)
            if row.lease_until > now:
                raise _in_progress()
            self._take_over(connection, claim, now)
        return claim

    def keep(self, claim: Claim, answer: Answer) -> None:
        """Commit the answer; only then may it be given.

        Raises:
            RequestInProgress: the claim was lost to another, whose answer counts.
        """
        head = json.dumps({"kind": answer.kind, "headers": dict(answer.headers)}).encode()
        statement = update(replays).where(_held(claim)).values(head=head, body=answer.body)
        with writing(self._engine) as connection:
            if not connection.execute(statement).rowcount:
                raise _in_progress()

    def release(self, claim: Claim) -> None:
        """Give a claim up: the request failed and may be tried again."""
        with writing(self._engine) as connection:
            connection.execute(delete(replays).where(_held(claim)))

    def forget_expired(self) -> None:
        """Delete what has expired. Every claim sweeps a little; this is for when there are none."""
        swept = 1
        while swept:
            with writing(self._engine) as connection:
                swept = _sweep(connection, self._now())

    def _insert(self, connection: Connection, claim: Claim, tenant: str, request: bytes, now: datetime) -> None:
        row = {"id": claim.id, "tenant": tenant, "request": request, "holder": claim.holder}
        times = {"lease_until": now + LEASE, "expires": now + self._retention}
        connection.execute(insert(replays).values(**row, **times))

    def _take_over(self, connection: Connection, claim: Claim, now: datetime) -> None:
        values = {"holder": claim.holder, "lease_until": now + LEASE}
        connection.execute(update(replays).where(replays.c.id == claim.id).values(**values))


def _sweep(connection: Connection, now: datetime) -> int:
    """Delete some of what has expired, but nothing that somebody else is at; returns how many."""
    some = select(replays.c.id).where(replays.c.expires <= now).limit(_SWEPT_AT_ONCE).with_for_update(skip_locked=True)
    return connection.execute(delete(replays).where(replays.c.id.in_(some))).rowcount


def _digest(*parts: str) -> bytes:
    return hashlib.sha256(json.dumps(parts).encode()).digest()


def _held(claim: Claim) -> ColumnElement[bool]:
    return (replays.c.id == claim.id) & (replays.c.holder == claim.holder) & replays.c.body.is_(None)


def _answer(row: Row[tuple[object, ...]]) -> Answer:
    head = json.loads(row.head)
    return Answer(head["kind"], head["headers"], row.body)


def _in_progress() -> RequestInProgress:
    return RequestInProgress("a request with this idempotency key is being answered: try again later")
