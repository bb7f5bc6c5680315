"""Tokens of an identity provider: which are believed."""

import base64
import json
import time

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from hypothesis import given
from hypothesis import strategies as st

from service.access.jwks import REFRESH_S, KeySet
from service.access.oidc import OidcTokens
from service.access.principal import Scope
from service.access.refusal import TokenRefused
from tests.access.conftest import ALICE, ALL, PATIENCE_S, Clock, OneTenant, rules
from tests.access.provider import AUDIENCE, PRIVATE, Provider, claims, document, family, jwk, token


@pytest.mark.parametrize("algorithm", ALL)
def test_a_signed_token_lets_its_subject_in(algorithm: str, oidc: OidcTokens, server: Provider) -> None:
    assert oidc.authenticate(token(algorithm, family(algorithm))) == ALICE
    assert oidc.authenticate(token(algorithm, family(algorithm), sub="bob", aud=["x", AUDIENCE])).subject == "bob"
    assert server.asked == 1


@pytest.mark.parametrize(
    "changes",
    [
        {"iss": "https://login.example/"},
        {"iss": None},
        {"aud": "another"},
        {"aud": None},
        {"exp": None},
        {"exp": "soon"},
        {"exp": float("inf")},
        {"sub": None},
        {"sub": 7},
        {"sub": "  "},
        {"sub": "two\nlines"},
        {"tenant": None},
        {"tenant": "globex"},
        {"tenant": ["acme"]},
        {"exp": 1, "aud": "another"},
        {"exp": 1, "iss": "https://evil.example"},
    ],
)
def test_a_token_for_somebody_else_is_refused(changes: dict[str, object], oidc: OidcTokens) -> None:
    with pytest.raises(TokenRefused) as refused:
        oidc.authenticate(token(**changes))
    assert refused.value.principal is None


@pytest.mark.parametrize("changes", [{"exp": 1}, {"nbf": 1 << 33}, {"iat": 1 << 33}])
def test_a_token_out_of_its_time_is_refused_but_its_subject_known(changes: dict[str, object], oidc: OidcTokens) -> None:
    with pytest.raises(TokenRefused) as refused:
        oidc.authenticate(token(**changes))
    assert refused.value.principal == ALICE


def test_clocks_may_differ_a_little(keys: KeySet) -> None:
    now = int(time.time())
    wide = OidcTokens(rules(leeway_s=300.0), keys, OneTenant())
    assert wide.authenticate(token(exp=now - 100, nbf=now + 100)) == ALICE
    with pytest.raises(TokenRefused):
        OidcTokens(rules(leeway_s=0.0), keys, OneTenant()).authenticate(token(exp=now - 1))


def test_a_shared_secret_or_no_signature_at_all_is_refused(oidc: OidcTokens, server: Provider) -> None:
    public = json.dumps(jwk(PRIVATE["rsa"], "rsa")).encode()
    unsigned = jwt.encode(claims(), None, "none", {"kid": "rsa"})
    confused = jwt.encode(claims(), public * 2, "HS256", {"kid": "rsa"})
    for forged in (unsigned, confused, unsigned + "x"):
        with pytest.raises(TokenRefused):
            oidc.authenticate(forged)
    assert server.asked == 0


def test_only_the_algorithms_that_are_allowed(keys: KeySet) -> None:
    narrow = OidcTokens(rules(algorithms=("RS256",)), keys, OneTenant())
    assert narrow.authenticate(token("RS256", "rsa")) == ALICE
    for algorithm in ("PS256", "RS512", "ES256", "EdDSA"):
        with pytest.raises(TokenRefused):
            narrow.authenticate(token(algorithm, family(algorithm)))


@pytest.mark.parametrize(
    ("algorithm", "kid", "more"),
    [
        ("PS256", "rsa", {"alg": "RS256"}),
        ("RS256", "rsa", {"use": "enc"}),
        ("RS256", "rsa", {"key_ops": ["encrypt"]}),
        ("RS256", "rsa", {"key_ops": 7}),
        ("RS256", "p256", {}),
        ("ES384", "p384", {"crv": "P-256"}),
    ],
)
def test_a_key_verifies_only_what_it_is_for(
    algorithm: str, kid: str, more: dict[str, object], oidc: OidcTokens, server: Provider
) -> None:
    server.body = document(jwk(PRIVATE[kid], kid, **more))
    with pytest.raises(TokenRefused):
        oidc.authenticate(token(algorithm, kid))


def test_another_key_of_the_same_id_is_refused(oidc: OidcTokens) -> None:
    with pytest.raises(TokenRefused):
        oidc.authenticate(token(key=ec.generate_private_key(ec.SECP256R1())))


def test_a_short_key_is_refused(oidc: OidcTokens, server: Provider) -> None:
    short = rsa.generate_private_key(65537, 1024)  # noqa: S505
    server.body = document(jwk(short, "short"))
    with pytest.warns(jwt.InsecureKeyLengthWarning):
        signed = token("RS256", "short", short)
    with pytest.raises(TokenRefused):
        oidc.authenticate(signed)


def test_without_an_id_the_only_fitting_key_is_taken(oidc: OidcTokens, server: Provider, clock: Clock) -> None:
    assert oidc.authenticate(token(algorithm="EdDSA", kid=None)) == ALICE
    server.body = document(jwk(PRIVATE["rsa"], "a"), jwk(rsa.generate_private_key(65537, 2048), "b"))
    clock.time += REFRESH_S
    with pytest.raises(TokenRefused):
        oidc.authenticate(token("RS256", None))


@pytest.mark.parametrize(
    ("where", "prefix", "value", "expected"),
    [
        ("scope", "", "recover  audit recover", {Scope.RECOVER, Scope.AUDIT}),
        ("permissions", "visard:", ["visard:erase", "audit", 7, "visard:reign"], {Scope.ERASE}),
        ("https://visard.example/scopes", "", ["approve"], {Scope.APPROVE}),
        ("/realm_access/ro~1les", "", {"ro/les": ["anonymize"]}, {Scope.ANONYMIZE}),
        ("/nothing/here", "", "recover", set()),
        ("scope", "", None, set()),
        ("scope", "", {"recover": True}, set()),
        ("scope", "", "RECOVER", set()),
    ],
)
def test_scopes_come_from_the_claim_that_is_configured(
    where: str, prefix: str, value: object, expected: set[Scope], keys: KeySet
) -> None:
    configured = OidcTokens(rules(scope_claim=where, scope_prefix=prefix), keys, OneTenant())
    name = "realm_access" if where.startswith("/realm") else where
    assert configured.authenticate(token(**{"scope": None, name: value})).scopes == expected


def test_the_tenant_comes_from_the_claim_that_is_configured(keys: KeySet) -> None:
    configured = OidcTokens(rules(tenant_claim="/org/name"), keys, OneTenant())
    assert configured.authenticate(token(tenant="globex", org={"name": "acme"})).tenant == "acme"


_part = st.binary(max_size=60).map(lambda data: base64.urlsafe_b64encode(data).rstrip(b"=").decode())

_header = st.dictionaries(
    st.sampled_from(["alg", "kid", "crit", "b64", "typ", "jwk"]),
    st.none()
    | st.sampled_from([*ALL, "none", "HS256", "p256", "b64"])
    | st.integers()
    | st.lists(st.text(), max_size=2),
).map(lambda header: base64.urlsafe_b64encode(json.dumps(header).encode()).rstrip(b"=").decode())

_PUBLISHED = document(*(jwk(private, name) for name, private in PRIVATE.items()))


@given(st.text() | st.lists(_header | _part | st.just(""), max_size=4).map(".".join))
def test_whatever_is_sent_is_refused(text: str) -> None:
    with pytest.raises(TokenRefused):
        OidcTokens(rules(), KeySet(lambda: _PUBLISHED, PATIENCE_S), OneTenant()).authenticate(text)


@given(st.data())
def test_a_changed_token_is_refused(data: st.DataObject) -> None:
    signed = token("EdDSA", "ed25519")
    at = data.draw(st.integers(0, len(signed) - 2))
    other = data.draw(st.characters(min_codepoint=33, max_codepoint=126).filter(lambda c: c != signed[at]))
    changed = signed[:at] + other + signed[at + 1 :]
    oidc = OidcTokens(rules(), KeySet(lambda: _PUBLISHED, PATIENCE_S), OneTenant())
    with pytest.raises(TokenRefused):
        oidc.authenticate(changed)


def test_endless_tokens_are_not_looked_at(oidc: OidcTokens, server: Provider) -> None:
    with pytest.raises(TokenRefused):
        oidc.authenticate(token(padding="x" * (16 << 10)))
    assert server.asked == 0
