"""The keys of an identity provider: what is done when they change or cannot be had."""

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from service.access.jwks import COOLDOWN_S, MAX_AGE_S, REFRESH_S, KeySet, parse_jwks
from service.access.jwks_fetch import MAX_BYTES, fetch_jwks
from service.access.oidc import OidcTokens
from service.access.refusal import TokenRefused
from service.errors import IdentityProviderUnavailable
from tests.access.conftest import ALICE, PATIENCE_S, Clock, OneTenant, rules
from tests.access.provider import PRIVATE, Provider, document, jwk, provider, token


def test_a_rotated_key_is_fetched_once_it_is_used(oidc: OidcTokens, server: Provider, clock: Clock) -> None:
    assert oidc.authenticate(token()) == ALICE
    new = ec.generate_private_key(ec.SECP256R1())
    server.body = document(jwk(new, "new"))
    with pytest.raises(TokenRefused):
        oidc.authenticate(token(kid="new", key=new))
    clock.time += COOLDOWN_S
    assert oidc.authenticate(token(kid="new", key=new)) == ALICE
    assert server.asked == 2
    with pytest.raises(TokenRefused):
        oidc.authenticate(token())


def test_made_up_key_ids_do_not_make_it_ask_more_often(oidc: OidcTokens, server: Provider, clock: Clock) -> None:
    for i in range(50):
        clock.time += COOLDOWN_S / 10
        with pytest.raises(TokenRefused):
            oidc.authenticate(token(kid=f"guess-{i}"))
    assert server.asked == 5


def test_a_withdrawn_key_is_forgotten(oidc: OidcTokens, server: Provider, clock: Clock) -> None:
    assert oidc.authenticate(token()) == ALICE
    server.body = document(jwk(PRIVATE["rsa"], "rsa"))
    clock.time += REFRESH_S
    with pytest.raises(TokenRefused):
        oidc.authenticate(token())


@pytest.mark.parametrize(
    ("status", "body", "headers"),
    [
        (500, b"{}", {}),
        (404, b"{}", {}),
        (200, b"not JSON", {}),
        (200, b"[]", {}),
        (200, b'{"keys": {}}', {}),
        (200, b"[" * 100_000, {}),
        (200, document(*[{}] * 101), {}),
        (200, document(jwk(PRIVATE["p256"], "p256")) + b" " * MAX_BYTES, {}),
        (302, b"", {"Location": "/keys"}),
    ],
)
def test_keys_that_cannot_be_had(
    status: int, body: bytes, headers: dict[str, str], oidc: OidcTokens, server: Provider, caplog: Any
) -> None:
    server.status, server.body, server.headers = status, body, headers
    for _ in range(3):
        with pytest.raises(IdentityProviderUnavailable):
            oidc.authenticate(token())
    assert server.asked == 1
    assert server.url not in caplog.text


def test_a_provider_that_is_away_for_a_while(oidc: OidcTokens, server: Provider, clock: Clock) -> None:
    assert oidc.authenticate(token()) == ALICE
    server.status = 503
    clock.time += REFRESH_S
    assert oidc.authenticate(token()) == ALICE
    with pytest.raises(IdentityProviderUnavailable):
        oidc.authenticate(token(kid="new"))
    clock.time += MAX_AGE_S - REFRESH_S
    with pytest.raises(IdentityProviderUnavailable):
        oidc.authenticate(token())
    server.status = 200
    clock.time += COOLDOWN_S
    assert oidc.authenticate(token()) == ALICE


def test_all_wait_for_one_fetch_and_nobody_for_ever(server: Provider) -> None:
    server.gate.clear()
    patient = OidcTokens(rules(), KeySet(lambda: fetch_jwks(server.url, PATIENCE_S), PATIENCE_S), OneTenant())
    with ThreadPoolExecutor(8) as pool:
        waiting = [pool.submit(patient.authenticate, token()) for _ in range(8)]
        threading.Timer(0.05, server.gate.set).start()
        assert [one.result() for one in waiting] == [ALICE] * 8
    assert server.asked == 1
    server.gate.clear()
    hasty = OidcTokens(rules(), KeySet(lambda: fetch_jwks(server.url, PATIENCE_S), 0.05), OneTenant())
    for _ in range(2):
        with pytest.raises(IdentityProviderUnavailable):
            hasty.authenticate(token())
    assert server.asked == 2


def test_nobody_there() -> None:
    with provider() as gone:
        url = gone.url
    absent = OidcTokens(rules(), KeySet(lambda: fetch_jwks(url, 1.0), 5.0), OneTenant())
    with pytest.raises(IdentityProviderUnavailable):
        absent.authenticate(token())


def test_private_and_symmetric_keys_are_left_out() -> None:
    good = jwk(PRIVATE["p256"], "good")
    published = document(good, {**good, "d": "secret"}, {"kty": "oct", "k": "c2VjcmV0", "kid": "good"}, {"kid": "x"})
    assert parse_jwks(published) == (good,)


def test_an_issuer_may_be_beyond_a_proxy(server: Provider, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", server.url)
    monkeypatch.delenv("no_proxy", raising=False)
    assert fetch_jwks("http://login.invalid/keys", PATIENCE_S) == server.body
