"""Answers that are given again: a request repeated under its idempotency key is carried out once.

After draft-ietf-httpapi-idempotency-key-header. A key is claimed before the work and holds the answer after it. A
claim is a lease: when its holder died, the next one takes over, and a holder who was only slow finds its claim gone.
Only answers are kept, not errors: what failed may be tried again under the same key.

A row names tenant and record, and tells nothing of the photo, the answer or who asked. Its hashes and keys hang on the
pepper, which is not in the database, and on the caller's own key, which is kept nowhere:

    root = HKDF(pepper, "visard-replay-1")    id = HKDF(root, "id", tenant, subject, key)
    request = HKDF(root, "request", id, key, what was asked)    AES-256-GCM under HKDF(root, "answer", id, key)

HKDF is the expand step of RFC 5869, which of one block is HMAC-SHA256, over framed fields. Under another pepper a
caller's key is one that nobody used.

An answer goes with the record of its image. That there was one stays until it would have expired: who asks again is
told so, and no new image is made of what was erased.
"""

import json
import logging
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy import ColumnElement, Connection, Engine, Row, Select, delete, insert, or_, select, update

from service.database.engine import exclusive, settle_erasure, writing
from service.database.tables import records, replays
from service.errors import AnswerGone, IdempotencyKeyReused, RequestInProgress
from service.hkdf import expand, framed

LEASE = timedelta(minutes=5)
"""After this long a claim without an answer is anybody's."""

_SWEPT_AT_ONCE = 100
_LABEL = b"visard-replay-1"
_NONCE_BYTES = 12
_log = logging.getLogger(__name__)


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
    """The right to answer a request, and to keep the answer.

    Attributes:
        id: of the row.
        request: keyed hash of what was asked.
        key: encrypts the answer.
        holder: whose claim it is.
    """

    id: bytes
    request: bytes
    key: bytes = field(repr=False)
    holder: UUID


class ReplayStore:
    """The table of claims and answers. Every method raises ``DatabaseUnavailable`` when the database fails."""

    def __init__(
        self,
        engine: Engine,
        pepper: bytes,
        retention: timedelta,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """Keep answers in ``engine``.

        Args:
            pepper: 32 random bytes from outside the database; what was kept under another is unknown.
            retention: how long a key is remembered after its first request.
            now: the clock, timezone-aware.

        Raises:
            ValueError: the pepper has another length.
        """
        self._engine = engine
        self._root = expand(pepper, _LABEL)
        self._retention = retention
        self._now = now

    def begin(self, tenant: str, subject: str, key: str, request: bytes) -> Claim | Answer:
        """Claim a key, or get the answer that was given under it; of several at once, one gets the claim.

        Args:
            tenant: of the caller; keys of different callers have nothing to do with each other.
            subject: of the caller.
            key: as the caller chose it.
            request: SHA-256 of all that the answer depends on; it is not kept as it is.

        Raises:
            IdempotencyKeyReused: the key belongs to another request.
            RequestInProgress: the request is being answered.
            AnswerGone: it was answered, and the image was erased or has expired since, or the row was damaged.
        """
        claim = self._claim(tenant, subject, key, request)
        with exclusive(self._engine, f"visard-replay-{claim.id.hex()}") as connection:
            row = self._kept_or_claimed(connection, claim, tenant)
        return claim if row is None else _opened(claim, row)

    def keep(self, claim: Claim, answer: Answer, record: UUID) -> None:
        """Commit the answer; only then may it be given.

        Args:
            record: of the image, stored before; the answer is erased with it.

        Raises:
            RequestInProgress: the claim was lost to another, whose answer counts.
            AnswerGone: the image has expired already.
        """
        head = json.dumps({"kind": answer.kind, "headers": dict(answer.headers)}).encode()
        columns = {"head": head, "body": answer.body}
        sealed = {column: _sealed(claim, column, plain) for column, plain in columns.items()}
        with writing(self._engine) as connection:
            # Shared with nobody who deletes it: they would not see the answer yet.
            if connection.execute(_alive(record, self._now()).with_for_update(read=True)).first() is None:
                raise _gone()
            statement = update(replays).where(_held(claim)).values(record=record, **sealed)
            if not connection.execute(statement).rowcount:
                raise _in_progress()

    def release(self, claim: Claim, unseen: UUID | None = None) -> None:
        """Give a claim up: the request failed and may be tried again.

        Args:
            unseen: record of an image that was made under the claim and given to nobody. It is deleted, unless the
                answer was kept after all, and only the word of it was lost: then the next one gets it.
        """
        with writing(self._engine) as connection:
            if unseen is not None:
                # In the order of whoever keeps or erases: a commit that is still on its way comes first.
                connection.execute(select(records.c.id).where(records.c.id == unseen).with_for_update())
            ended = connection.execute(delete(replays).where(_held(claim))).rowcount
            if unseen is None or (not ended and _is_kept(connection, claim, unseen)):
                return
            connection.execute(delete(records).where(records.c.id == unseen))
        settle_erasure(self._engine)

    def forget_expired(self) -> None:
        """Delete what has expired. Every claim sweeps a little; this is for when there are none."""
        swept = 1
        while swept:
            with writing(self._engine) as connection:
                swept = _sweep(connection, self._now())

    def _claim(self, tenant: str, subject: str, key: str, request: bytes) -> Claim:
        own = key.encode()
        row = expand(self._root, framed(b"id", tenant.encode(), subject.encode(), own))
        return Claim(
            id=row,
            request=expand(self._root, framed(b"request", row, own, request)),
            key=expand(self._root, framed(b"answer", row, own)),
            holder=uuid4(),
        )

    def _kept_or_claimed(self, connection: Connection, claim: Claim, tenant: str) -> Row[tuple[object, ...]] | None:
        """The row that holds the answer, or none, and the claim is in it."""
        now = self._now()
        # The own row first: whoever waits here holds nothing yet, and the sweep waits for nobody.
        connection.execute(delete(replays).where(replays.c.id == claim.id, replays.c.expires <= now))
        _sweep(connection, now)
        row = connection.execute(select(replays).where(replays.c.id == claim.id)).one_or_none()
        if row is None:
            self._insert(connection, claim, tenant, now)
            return None
        if row.request != claim.request:
            raise IdempotencyKeyReused("this idempotency key belongs to another request")
        if row.record is not None:
            # What has expired may not be deleted yet.
            if row.body is None or connection.execute(_alive(row.record, now)).first() is None:
                raise _gone()
            return row
        if row.lease_until > now:
            raise _in_progress()
        self._take_over(connection, claim, now)
        return None

    def _insert(self, connection: Connection, claim: Claim, tenant: str, now: datetime) -> None:
        row = {"id": claim.id, "tenant": tenant, "request": claim.request, "holder": claim.holder}
        times = {"lease_until": now + LEASE, "expires": now + self._retention}
        connection.execute(insert(replays).values(**row, **times))

    def _take_over(self, connection: Connection, claim: Claim, now: datetime) -> None:
        values = {"holder": claim.holder, "lease_until": now + LEASE}
        connection.execute(update(replays).where(replays.c.id == claim.id).values(**values))


def _sweep(connection: Connection, now: datetime) -> int:
    """Delete some of what has expired, but nothing that somebody else is at; returns how many."""
    some = select(replays.c.id).where(replays.c.expires <= now).limit(_SWEPT_AT_ONCE).with_for_update(skip_locked=True)
    return connection.execute(delete(replays).where(replays.c.id.in_(some))).rowcount


def _held(claim: Claim) -> ColumnElement[bool]:
    return (replays.c.id == claim.id) & (replays.c.holder == claim.holder) & replays.c.record.is_(None)


def _is_kept(connection: Connection, claim: Claim, record: UUID) -> bool:
    query = select(replays.c.id).where(replays.c.id == claim.id, replays.c.record == record)
    return connection.execute(query).first() is not None


def _alive(record: UUID, now: datetime) -> Select[tuple[UUID]]:
    return select(records.c.id).where(records.c.id == record, or_(records.c.expires.is_(None), records.c.expires > now))


def _sealed(claim: Claim, column: str, plain: bytes) -> bytes:
    """A fresh nonce, and what it encrypts."""
    nonce = os.urandom(_NONCE_BYTES)
    return nonce + AESGCM(claim.key).encrypt(nonce, plain, _place(claim, column))


def _unsealed(claim: Claim, column: str, sealed: bytes) -> bytes:
    nonce, encrypted = sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:]
    return AESGCM(claim.key).decrypt(nonce, encrypted, _place(claim, column))


def _place(claim: Claim, column: str) -> bytes:
    """Bound to it, so that nothing opens anywhere else."""
    return framed(column.encode(), claim.id, claim.request)


def _opened(claim: Claim, row: Row[tuple[object, ...]]) -> Answer:
    try:
        head = json.loads(_unsealed(claim, "head", row.head or b""))
        body = _unsealed(claim, "body", row.body)
    except (InvalidTag, ValueError) as error:
        _log.warning("the answer kept for record %s was changed and does not open", row.record)
        raise AnswerGone("the answer kept under this idempotency key is damaged; another key begins anew") from error
    return Answer(head["kind"], head["headers"], body)


def _gone() -> AnswerGone:
    return AnswerGone("what was made under this idempotency key was erased or has expired; another key begins anew")


def _in_progress() -> RequestInProgress:
    return RequestInProgress("a request with this idempotency key is being answered: try again later")
