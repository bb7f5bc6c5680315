"""How often one caller may ask: a token bucket in the database, and so the same one for all replicas.

The generic cell rate algorithm: one instant per caller, up to which its requests are paid for. A request moves it on
by a minute's share, and is refused if that would be more than a minute ahead. A caller who rested has a whole
minute's requests at once.

The clock is the database server's, so that replicas need not agree on one; SQLite's is this machine's. One that steps
back leaves callers who have paid further ahead than is possible: they begin anew.
"""

import hashlib
import json
import time
from collections.abc import Callable

from sqlalchemy import BigInteger, ColumnElement, Connection, Engine, case, cast, delete, func, literal, select

from service.access.principal import Principal
from service.database.engine import insertion, writing
from service.database.tables import quotas
from service.errors import RateExceeded

_MINUTE = 60_000_000
_AHEAD = 2 * _MINUTE
"""Nobody has paid so far ahead by the same clock. Not one minute: another request may have read it a little later."""


def _microseconds() -> int:
    return time.time_ns() // 1000


class Quota:
    """The table of quotas."""

    def __init__(self, engine: Engine, per_minute: int, now: Callable[[], int] | None = None) -> None:
        """Allow ``per_minute`` requests to each caller.

        Args:
            per_minute: 1 or more.
            now: the clock, microseconds since 1970; the database's by default.
        """
        self._engine = engine
        self._share = max(1, _MINUTE // per_minute)
        self._now = now

    def spend(self, caller: Principal) -> None:
        """Count a request of ``caller``.

        Raises:
            RateExceeded: it was one too many, and does not count.
            DatabaseUnavailable: the database failed.
        """
        key, now = _key(caller), self._clock()
        with writing(self._engine) as connection:
            if not self._paid(connection, key, now):
                ahead = select(quotas.c.paid_until - now).where(quotas.c.id == key)
                wait = connection.execute(ahead).scalar_one() + self._share - _MINUTE
                # The clock has gone on since then.
                raise RateExceeded(max(1, -(-wait // 1_000_000)))

    def forget_rested(self) -> None:
        """Delete the rows of callers who have a whole minute's requests again, as without one."""
        rested = select(quotas.c.id).where(quotas.c.paid_until <= self._clock()).with_for_update(skip_locked=True)
        with writing(self._engine) as connection:
            connection.execute(delete(quotas).where(quotas.c.id.in_(rested)))

    def _clock(self) -> ColumnElement[int]:
        if self._now is None and self._engine.dialect.name == "postgresql":
            return cast(func.extract("epoch", func.clock_timestamp()) * 1_000_000, BigInteger)
        return literal((self._now or _microseconds)(), BigInteger)

    def _paid(self, connection: Connection, key: bytes, now: ColumnElement[int]) -> bool:
        """One statement, so that of two replicas at once both are counted."""
        paid = quotas.c.paid_until
        then = case((paid > now + _AHEAD, now), (paid > now, paid), else_=now) + self._share
        statement = insertion(connection, quotas).values(id=key, paid_until=now + self._share)
        statement = statement.on_conflict_do_update(
            index_elements=[quotas.c.id], set_={"paid_until": then}, where=then <= now + _MINUTE
        )
        return connection.execute(statement.returning(quotas.c.id)).one_or_none() is not None


def _key(caller: Principal) -> bytes:
    # Hashed: a subject may be longer than an index entry.
    return hashlib.sha256(json.dumps([caller.tenant, caller.subject]).encode()).digest()
