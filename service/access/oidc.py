"""Bearer tokens of an identity provider: signed JWTs (RFC 7519), as OpenID Connect issues them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import jwt
from jwt.types import Options

from service.access.claims import scopes_in, value_of
from service.access.jwks import Jwk, KeySet
from service.access.principal import Principal
from service.access.refusal import TokenRefused
from service.errors import BadInput, TenantUnknown
from service.plain_text import validated_text

Algorithm = Literal["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"]
"""Of signatures by a private key. A shared secret (HS256) would let whoever checks tokens make them."""

_MAX_LENGTH = 16 << 10
_OUT_OF_TIME = (jwt.ExpiredSignatureError, jwt.ImmatureSignatureError)
_IN_TIME: Options = {"require": ["exp", "sub"], "enforce_minimum_key_length": True}
_ANY_TIME: Options = {**_IN_TIME, "verify_exp": False, "verify_nbf": False, "verify_iat": False}


class Tenants(Protocol):
    """Who knows which tenants there are."""

    def get(self, name: str) -> object:
        """The tenant of this name; raises TenantInvalid or TenantUnknown."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What a token must be, and where it says whose it is.

    Attributes:
        issuer: exactly as in ``iss``.
        audience: one of ``aud``.
        algorithms: that a signature may have.
        leeway_s: by how much clocks may differ.
        tenant_claim: name of a claim, or a JSON pointer to what is inside one.
        scope_claim: the same; a list, or words with spaces between.
        scope_prefix: what stands before a scope's name there.
    """

    issuer: str
    audience: str
    algorithms: Sequence[Algorithm]
    leeway_s: float
    tenant_claim: str
    scope_claim: str
    scope_prefix: str = ""


class OidcTokens:
    """The tokens of one identity provider."""

    def __init__(self, rules: Rules, keys: KeySet, tenants: Tenants) -> None:
        self._rules = rules
        self._keys = keys
        self._tenants = tenants

    def authenticate(self, token: str) -> Principal:
        """Whose token this is.

        Args:
            token: whatever the caller sent.

        Raises:
            TokenRefused: it is no token of this provider for this service, or out of its time.
            IdentityProviderUnavailable: the key it names cannot be had now.
            DatabaseUnavailable: whether its tenant exists is not known.
        """
        key = self._key_of(token)
        try:
            return self._principal(_claims(token, key, self._rules, _IN_TIME))
        except _OUT_OF_TIME:
            # Genuine all the same: the audit log may name whose it is.
            raise TokenRefused(self._principal(_claims(token, key, self._rules, _ANY_TIME))) from None

    def _key_of(self, token: str) -> jwt.PyJWK:
        if len(token) > _MAX_LENGTH:
            raise TokenRefused
        try:
            header = jwt.get_unverified_header(token)
        except jwt.PyJWTError:
            raise TokenRefused from None
        # Before any look at the keys: what is not allowed costs nothing.
        algorithm = next((allowed for allowed in self._rules.algorithms if allowed == header.get("alg")), None)
        if algorithm is None:
            raise TokenRefused
        found = self._keys.find(header.get("kid"), algorithm)
        if found is None:
            raise TokenRefused
        return _loaded(found, algorithm)

    def _principal(self, claims: dict[str, Any]) -> Principal:
        rules = self._rules
        tenant = value_of(claims, rules.tenant_claim)
        if not isinstance(tenant, str):
            raise TokenRefused
        try:
            subject = validated_text(claims["sub"], "subject")
            self._tenants.get(tenant)
        except (BadInput, TenantUnknown):
            raise TokenRefused from None
        return Principal(subject, tenant, scopes_in(value_of(claims, rules.scope_claim), rules.scope_prefix))


def _loaded(key: Jwk, algorithm: str) -> jwt.PyJWK:
    try:
        return jwt.PyJWK(key, algorithm)
    except jwt.PyJWTError:
        raise TokenRefused from None


def _claims(token: str, key: jwt.PyJWK, rules: Rules, options: Options) -> dict[str, Any]:
    """The claims of a token whose signature, issuer and audience are right.

    Raises:
        TokenRefused: they are not.
        jwt.ExpiredSignatureError, jwt.ImmatureSignatureError: they may be, but it is not its time.
    """
    try:
        claims: dict[str, Any] = jwt.decode(
            token,
            key,
            algorithms=list(rules.algorithms),
            issuer=rules.issuer,
            audience=rules.audience,
            leeway=rules.leeway_s,
            options=options,
        )
    except _OUT_OF_TIME:
        raise
    except (jwt.PyJWTError, ValueError, TypeError):
        raise TokenRefused from None
    return claims
