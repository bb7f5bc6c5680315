"""Tokens: whom they let in, whom they do not, and what is kept of them."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from sqlalchemy import Engine, select, update

from service.access.principal import Principal, Scope
from service.access.refusal import TokenRefused
from service.access.tenants import TenantStore
from service.access.tokens import TokenStore
from service.database import tables
from service.database.engine import make_engine, transaction
from service.errors import (
    DatabaseUnavailable,
    ReasonInvalid,
    ScopeMissing,
    TenantUnknown,
    TokenInvalid,
    TokenUnknown,
)
from tests.interference import interference

PEPPER = bytes(range(32))
START = datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=UTC)
BOTH = frozenset({Scope.RECOVER, Scope.AUDIT})


class Clock:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.time = START

    def __call__(self) -> datetime:
        return self.time

    def advance(self, **length: float) -> None:
        self.time += timedelta(**length)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def tokens(database: Engine, clock: Clock) -> TokenStore:
    """A store in a database with two tenants."""
    for name in ("acme", "globex"):
        TenantStore(database).create(name)
    return TokenStore(database, PEPPER, clock)


def test_a_token_lets_its_subject_in(tokens: TokenStore) -> None:
    _, alice = tokens.create("acme", "alice", BOTH)
    _, camera = tokens.create("globex", "camera 7", [Scope.ANONYMIZE])
    assert tokens.authenticate(alice) == Principal("alice", "acme", BOTH)
    assert tokens.authenticate(camera) == Principal("camera 7", "globex", frozenset({Scope.ANONYMIZE}))


def test_a_token_is_made_while_others_write(tokens: TokenStore, database: Engine) -> None:
    with interference(database):
        tokens.create("acme", "alice", BOTH)


def test_tokens_are_recognisable_and_long_and_never_the_same(tokens: TokenStore) -> None:
    made = {tokens.create("acme", "alice", BOTH)[1] for _ in range(10)}
    assert len(made) == 10
    assert all(token.startswith("visard_") and len(token) == 50 for token in made)


def test_what_is_known_of_a_token(tokens: TokenStore, clock: Clock) -> None:
    first, _ = tokens.create("acme", " alice ", BOTH, START + timedelta(days=30))
    clock.advance(seconds=1)
    second, _ = tokens.create("globex", "bob", [Scope.ERASE])
    assert (first.tenant, first.subject, first.scopes) == ("acme", "alice", BOTH)
    assert (first.created, first.expires) == (START, START + timedelta(days=30))
    assert (second.expires, second.revoked, second.last_used) == (None, None, None)
    assert tokens.list() == (first, second)
    assert tokens.list("globex") == (second,)
    assert tokens.list("nobody") == ()


def test_the_database_holds_neither_the_token_nor_a_hash_that_it_could_check(
    tokens: TokenStore, database: Engine
) -> None:
    _, token = tokens.create("acme", "alice", BOTH)
    with transaction(database) as connection:
        row = connection.execute(select(tables.tokens)).one()
    assert token.removeprefix("visard_") not in repr(row)
    other = TokenStore(database, bytes(32))
    with pytest.raises(TokenRefused) as caught:
        other.authenticate(token)
    assert caught.value.principal is None


def test_an_expired_token_is_refused_and_known_to_the_audit_log(tokens: TokenStore, clock: Clock) -> None:
    _, token = tokens.create("acme", "alice", BOTH, START + timedelta(hours=1))
    clock.advance(minutes=59, seconds=59)
    assert tokens.authenticate(token).subject == "alice"
    clock.advance(seconds=1)
    with pytest.raises(TokenRefused) as caught:
        tokens.authenticate(token)
    assert caught.value.principal == Principal("alice", "acme", BOTH)


def test_tokens_that_end_soon_are_counted(tokens: TokenStore, clock: Clock) -> None:
    week = timedelta(days=7)
    for tenant, lifetime in (("acme", 30), ("globex", 20), ("acme", 40)):
        tokens.create(tenant, "alice", BOTH, START + timedelta(days=lifetime))
    tokens.create("acme", "bob", BOTH)
    revoked, _ = tokens.create("acme", "bob", BOTH, START + timedelta(days=30))
    tokens.revoke(revoked.id)
    assert tokens.expiring(week) == 0
    clock.advance(days=24)
    # It was made for no longer, so that its end surprises nobody.
    tokens.create("acme", "visitor", BOTH, START + timedelta(days=25))
    assert tokens.expiring(week) == 1
    clock.advance(days=6)
    assert tokens.expiring(week) == 0


def test_a_revoked_token_is_refused_and_known_to_the_audit_log(tokens: TokenStore, clock: Clock) -> None:
    info, token = tokens.create("acme", "alice", BOTH)
    _, other = tokens.create("acme", "bob", BOTH)
    tokens.revoke(info.id)
    with pytest.raises(TokenRefused) as caught:
        tokens.authenticate(token)
    assert caught.value.principal == Principal("alice", "acme", BOTH)
    assert tokens.authenticate(other).subject == "bob"
    clock.advance(days=1)
    tokens.revoke(info.id)
    assert {found.revoked for found in tokens.list() if found.id == info.id} == {START}


def test_no_refusal_tells_why(tokens: TokenStore, clock: Clock) -> None:
    _, expired = tokens.create("acme", "alice", BOTH, START + timedelta(hours=1))
    info, revoked = tokens.create("acme", "alice", BOTH)
    tokens.revoke(info.id)
    clock.advance(days=1)
    messages = set()
    for token in (expired, revoked, "visard_" + "A" * 43):
        with pytest.raises(TokenRefused) as caught:
            tokens.authenticate(token)
        messages.add(str(caught.value))
    assert len(messages) == 1


def test_what_is_not_quite_the_token_is_refused(tokens: TokenStore) -> None:
    _, token = tokens.create("acme", "alice", BOTH)
    for wrong in ("", token.upper(), token[:-1], token + "\n", token + "\udc80", token.removeprefix("visard_")):
        with pytest.raises(TokenRefused) as caught:
            tokens.authenticate(wrong)
        assert caught.value.principal is None


def test_the_last_use_is_noted_once_a_minute(tokens: TokenStore, clock: Clock) -> None:
    _, token = tokens.create("acme", "alice", BOTH, START + timedelta(hours=1))
    seen = []
    for seconds in (0, 59, 1, 59, 1, 3600):
        clock.advance(seconds=seconds)
        if clock.time < START + timedelta(hours=1):
            tokens.authenticate(token)
        else:
            with pytest.raises(TokenRefused):
                tokens.authenticate(token)
        (info,) = tokens.list()
        assert info.last_used is not None
        seen.append((info.last_used - START).total_seconds())
    assert seen == [0, 0, 60, 60, 120, 120]


def test_a_use_that_cannot_be_noted_lets_in_all_the_same(
    tokens: TokenStore, database: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    _, token = tokens.create("acme", "alice", BOTH)
    with _everything_locked(database), caplog.at_level(logging.WARNING):
        assert tokens.authenticate(token).subject == "alice"
    assert "could not be noted" in caplog.text
    assert token not in caplog.text
    assert tokens.list()[0].last_used is None
    tokens.authenticate(token)
    assert tokens.list()[0].last_used == START


def test_no_token_for_nobody_nothing_or_never(tokens: TokenStore) -> None:
    with pytest.raises(TenantUnknown):
        tokens.create("initech", "alice", BOTH)
    with pytest.raises(TokenInvalid, match="scope"):
        tokens.create("acme", "alice", [])
    with pytest.raises(TokenInvalid, match="future"):
        tokens.create("acme", "alice", BOTH, START)
    for subject in ("", " ", "a\nb", "a\0", "\ud800", "a" * 1001):
        with pytest.raises(ReasonInvalid, match="subject"):
            tokens.create("acme", subject, BOTH)
    assert tokens.list() == ()


def test_only_a_known_token_can_be_revoked(tokens: TokenStore) -> None:
    with pytest.raises(TokenUnknown):
        tokens.revoke(uuid4())


def test_a_database_that_fails_lets_nobody_in(empty_database: Engine) -> None:
    with pytest.raises(DatabaseUnavailable):
        TokenStore(empty_database, PEPPER).authenticate("visard_" + "A" * 43)


def test_a_short_pepper_is_a_mistake(sqlite_url: str) -> None:
    with pytest.raises(ValueError, match="32"):
        TokenStore(make_engine(sqlite_url), b"salt")


@pytest.mark.parametrize("scope", Scope)
def test_a_scope_opens_what_it_names_and_nothing_else(scope: Scope) -> None:
    Principal("alice", "acme", frozenset({scope})).require(scope)
    others = Principal("alice", "acme", frozenset(set(Scope) - {scope}))
    with pytest.raises(ScopeMissing, match=scope.value):
        others.require(scope)


@contextmanager
def _everything_locked(database: Engine) -> Iterator[None]:
    """Another connection holds locks on all tokens, or on the whole database where there are no others."""
    with transaction(database) as connection:
        connection.execute(update(tables.tokens).values(subject="nobody"))
        yield
        connection.rollback()
