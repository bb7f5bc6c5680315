"""Bearer tokens: random, shown once, kept as a keyed hash.

The hash is HMAC-SHA256 under a key outside the database, and a token is looked up by it. So the database shows
no token and checks no guess, and the comparison leaks nothing by its time: how far a guess's hash agrees with
a stored one tells nobody without the key which guess would agree further.
"""

import hmac
import logging
import re
import secrets
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

from sqlalchemy import Engine, Row, insert, or_, select, update

from service.access.pepper import PEPPER_BYTES
from service.access.principal import Principal, Scope
from service.access.refusal import TokenRefused
from service.database import tables
from service.database.engine import transaction, writing
from service.errors import DatabaseUnavailable, TenantUnknown, TokenInvalid, TokenUnknown
from service.plain_text import validated_text

PREFIX = "visard_"
"""What every token begins with, so that scanners for leaked secrets can recognise one."""

_SECRET_BYTES = 32
_SHAPE = re.compile(PREFIX + r"[A-Za-z0-9_-]{43}")
_USE_NOTED_EVERY = timedelta(minutes=1)
_NOTING_PATIENCE_S = 0.2
_log = logging.getLogger(__name__)
_table = tables.tokens


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenInfo:
    """What is known of a token; not the token.

    Attributes:
        id: to revoke it by.
        tenant: on whose behalf it acts.
        subject: who acts, as the audit log names them.
        scopes: what it may do.
        created: UTC.
        expires: from then on it is refused; never, if None.
        revoked: since when it is refused.
        last_used: when it was last accepted, to the minute.
    """

    id: UUID
    tenant: str
    subject: str
    scopes: frozenset[Scope]
    created: datetime
    expires: datetime | None
    revoked: datetime | None
    last_used: datetime | None


class TokenStore:
    """The table of tokens. Every method raises ``DatabaseUnavailable`` when the database fails."""

    def __init__(self, engine: Engine, pepper: bytes, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        """Keep tokens in ``engine``, hashed under ``pepper``.

        Args:
            pepper: 32 bytes from ``read_or_make_pepper``; tokens made under another are unknown.
            now: the clock, timezone-aware.

        Raises:
            ValueError: the pepper has another length.
        """
        if len(pepper) != PEPPER_BYTES:
            raise ValueError(f"a pepper has {PEPPER_BYTES} bytes")
        self._engine = engine
        self._pepper = pepper
        self._now = now

    def create(
        self, tenant: str, subject: str, scopes: Collection[Scope], expires: datetime | None = None
    ) -> tuple[TokenInfo, str]:
        """Make a token and return it; nothing can show it again.

        Args:
            tenant: an existing one.
            subject: see ``validated_text``.
            scopes: at least one.
            expires: timezone-aware and in the future; None for a token that does not expire.

        Raises:
            ReasonInvalid: the subject is not fit for the audit log.
            TokenInvalid: there is no scope, or the token would be expired already.
            TenantUnknown: there is no such tenant.
        """
        now = self._now()
        if not scopes:
            raise TokenInvalid("a token needs at least one scope")
        if expires is not None and expires <= now:
            raise TokenInvalid("the expiry of a token must lie in the future")
        token = PREFIX + secrets.token_urlsafe(_SECRET_BYTES)
        row = {
            "id": uuid4(),
            "tenant": tenant,
            "subject": validated_text(subject, "subject"),
            "scopes": " ".join(sorted(scopes)),
            "created": now,
            "expires": expires,
        }
        with writing(self._engine) as connection:
            if connection.execute(select(tables.tenants).where(tables.tenants.c.name == tenant)).first() is None:
                raise TenantUnknown("there is no such tenant")
            connection.execute(insert(_table).values(digest=self._digest(token), **row))
            made = connection.execute(select(_table).where(_table.c.id == row["id"])).one()
        return _info(made), token

    def authenticate(self, token: str) -> Principal:
        """Whose token this is.

        Args:
            token: whatever the caller sent.

        Raises:
            TokenRefused: it is unknown, expired or revoked.
        """
        info = self._find(token)
        if info is None:
            raise TokenRefused
        principal = Principal(info.subject, info.tenant, info.scopes)
        now = self._now()
        if info.revoked is not None or (info.expires is not None and info.expires <= now):
            raise TokenRefused(principal)
        if info.last_used is None or info.last_used <= now - _USE_NOTED_EVERY:
            self._note_use(info.id, now)
        return principal

    def list(self, tenant: str | None = None) -> tuple[TokenInfo, ...]:
        """All tokens, or those of one tenant, oldest first; the expired and revoked among them."""
        query = select(_table).order_by(_table.c.created, _table.c.id)
        if tenant is not None:
            query = query.where(_table.c.tenant == tenant)
        with transaction(self._engine) as connection:
            return tuple(map(_info, connection.execute(query).all()))

    def expiring(self, within: timedelta) -> int:
        """How many tokens end so soon, of those that were made for longer than that."""
        now = self._now()
        soon = select(_table.c.created, _table.c.expires).where(
            _table.c.revoked.is_(None), _table.c.expires > now, _table.c.expires <= now + within
        )
        with transaction(self._engine) as connection:
            return sum(expires - created > within for created, expires in connection.execute(soon))

    def revoke(self, token_id: UUID) -> None:
        """Refuse a token from now on, for good; once revoked it keeps the time of the first time.

        Raises:
            TokenUnknown: there is none of this id.
        """
        with transaction(self._engine) as connection:
            statement = update(_table).where(_table.c.id == token_id, _table.c.revoked.is_(None))
            changed = connection.execute(statement.values(revoked=self._now())).rowcount
            if not changed and connection.execute(select(_table).where(_table.c.id == token_id)).first() is None:
                raise TokenUnknown("there is no token of this id")

    def _digest(self, token: str) -> bytes:
        return hmac.digest(self._pepper, token.encode(), "sha256")

    def _find(self, token: str) -> TokenInfo | None:
        if not _SHAPE.fullmatch(token):
            return None
        with transaction(self._engine) as connection:
            row = connection.execute(select(_table).where(_table.c.digest == self._digest(token))).one_or_none()
        return None if row is None else _info(row)

    def _note_use(self, token_id: UUID, now: datetime) -> None:
        """Write down when a token was used, or say in the log that it failed: no request fails for that."""
        stale = or_(_table.c.last_used.is_(None), _table.c.last_used <= now - _USE_NOTED_EVERY)
        try:
            with writing(self._engine, patience=_NOTING_PATIENCE_S) as connection:
                connection.execute(update(_table).where(_table.c.id == token_id, stale).values(last_used=now))
        except DatabaseUnavailable:
            _log.warning("the last use of token %s could not be noted", token_id)


def _info(row: Row[tuple[object, ...]]) -> TokenInfo:
    fields = {name: getattr(row, name) for name in TokenInfo.__slots__}
    return TokenInfo(**{**fields, "scopes": frozenset(map(Scope, row.scopes.split()))})
