"""How often one caller may ask: a token bucket in the database, and so the same one for all replicas.

The generic cell rate algorithm: one instant per caller, up to which its requests are paid for. A request moves it on
by a minute's share, and is refused if that would be more than a minute ahead. A caller who rested has a whole
minute's requests at once.
"""

import hashlib
import json
import time
from collections.abc import Callable

from sqlalchemy import Connection, Engine, case, delete, select

from service.access.principal import Principal
from service.database.engine import insertion, writing
from service.database.tables import quotas
from service.errors import RateExceeded

_MINUTE = 60_000_000


def _microseconds() -> int:
    return time.time_ns() // 1000


class Quota:
    """The table of quotas."""

    def __init__(self, engine: Engine, per_minute: int, now: Callable[[], int] = _microseconds) -> None:
        """Allow ``per_minute`` requests to each caller.

        Args:
            per_minute: 1 or more.
            now: the clock, microseconds since 1970.
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
        key, now = _key(caller), self._now()
        with writing(self._engine) as connection:
            if not self._paid(connection, key, now):
                until = connection.execute(select(quotas.c.paid_until).where(quotas.c.id == key)).scalar_one()
                raise RateExceeded(-(-(until + self._share - _MINUTE - now) // 1_000_000))

    def forget_rested(self) -> None:
        """Delete the rows of callers who have a whole minute's requests again, as without one."""
        rested = select(quotas.c.id).where(quotas.c.paid_until <= self._now()).with_for_update(skip_locked=True)
        with writing(self._engine) as connection:
            connection.execute(delete(quotas).where(quotas.c.id.in_(rested)))

    def _paid(self, connection: Connection, key: bytes, now: int) -> bool:
        """One statement, so that of two replicas at once both are counted."""
        then = case((quotas.c.paid_until > now, quotas.c.paid_until), else_=now) + self._share
        statement = insertion(connection, quotas).values(id=key, paid_until=now + self._share)
        statement = statement.on_conflict_do_update(
            index_elements=[quotas.c.id], set_={"paid_until": then}, where=then <= now + _MINUTE
        )
        return connection.execute(statement.returning(quotas.c.id)).one_or_none() is not None


def _key(caller: Principal) -> bytes:
    # Hashed: a subject may be longer than an index entry.
    return hashlib.sha256(json.dumps([caller.tenant, caller.subject]).encode()).digest()
