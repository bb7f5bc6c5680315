"""Leases of attempts that have not ended: an attempt whose lease ends is taken for dead.

They stand beside the log, which never changes, so that a lease can be renewed and what is over is not looked at again.
Every transaction touches the lease before the head of the log: nobody waits in a circle.
"""

from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection, delete, insert, select, update

from service.database.tables import audit_leases

_lease = audit_leases.c


def begin(connection: Connection, attempt: UUID, until: datetime) -> None:
    """Note that an attempt began."""
    connection.execute(insert(audit_leases).values(attempt=attempt, lease_until=until))


def renew(connection: Connection, attempt: UUID, until: datetime) -> None:
    """Note that an attempt goes on; if it has ended, nothing happens."""
    connection.execute(update(audit_leases).where(_lease.attempt == attempt).values(lease_until=until))


def end(connection: Connection, attempt: UUID) -> None:
    """Note that an attempt ended."""
    connection.execute(delete(audit_leases).where(_lease.attempt == attempt))


def end_expired(connection: Connection, attempt: UUID, now: datetime) -> bool:
    """End a lease that nobody renewed, and was not ended by others meanwhile; whether there was one to end."""
    ended = delete(audit_leases).where(_lease.attempt == attempt, _lease.lease_until <= now)
    return connection.execute(ended).rowcount > 0


def expired(connection: Connection, now: datetime) -> list[UUID]:
    """Attempts whose lease ended, the longest ago first."""
    query = select(_lease.attempt).where(_lease.lease_until <= now).order_by(_lease.lease_until)
    return list(connection.execute(query).scalars())
