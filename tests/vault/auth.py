"""Tokens, policies, and the AppRole and Kubernetes auth methods."""

import re
import secrets
import time
from dataclasses import dataclass, field
from typing import Any

from tests.vault.answers import DENIED, Answer, Failed, data, envelope, seconds

_RULE = re.compile(r'path\s+"([^"]+)"\s*\{\s*capabilities\s*=\s*\[([^\]]*)\]\s*\}')
_ROOT = "root"
# What the policy "default" lets every token do.
_DEFAULT = ("auth/token/lookup-self", "auth/token/renew-self", "auth/token/revoke-self")


@dataclass
class Token:
    id: str
    policies: list[str]
    ttl_s: float = 0
    max_ttl_s: float = 0
    renewable: bool = False
    made: float = field(default_factory=time.monotonic)
    until: float | None = None

    def __post_init__(self) -> None:
        if self.ttl_s:
            self.until = self.made + self.ttl_s

    @property
    def left_s(self) -> float:
        return 0 if self.until is None else self.until - time.monotonic()

    @property
    def valid(self) -> bool:
        return self.until is None or self.left_s > 0

    def renew(self) -> None:
        now = time.monotonic()
        self.until = now + self.ttl_s
        if self.max_ttl_s:
            self.until = min(self.until, self.made + self.max_ttl_s)

    def auth(self) -> dict[str, Any]:
        return {
            "client_token": self.id,
            "accessor": "accessor",
            "policies": self.policies,
            "token_policies": self.policies,
            "metadata": None,
            "lease_duration": round(self.left_s),
            "renewable": self.renewable,
            "entity_id": "",
            "token_type": "service",
            "orphan": True,
        }

    def looked_up(self) -> dict[str, Any]:
        return {
            "accessor": "accessor",
            "creation_ttl": round(self.ttl_s),
            "expire_time": None,
            "id": self.id,
            "policies": self.policies,
            "renewable": self.renewable,
            "ttl": round(self.left_s),
            "type": "service",
        }


class Auth:
    def __init__(self, root: str) -> None:
        self.tokens = {root: Token(root, [_ROOT])}
        self.policies: dict[str, list[tuple[str, set[str]]]] = {}
        self.roles: dict[str, dict[str, Any]] = {}
        self.role_ids: dict[str, str] = {}
        self.secret_ids: dict[str, str] = {}
        self.service_accounts: dict[str, str] = {}

    def write_policy(self, name: str, text: str) -> None:
        rules = [(path, set(re.findall(r'"(\w+)"', found))) for path, found in _RULE.findall(text)]
        self.policies[name] = rules

    def token(self, presented: str) -> Token:
        token = self.tokens.get(presented)
        if token is None or not token.valid:
            raise DENIED
        return token

    def expired(self, presented: str) -> bool:
        """Whether it was good once."""
        token = self.tokens.get(presented)
        return token is not None and not token.valid

    def permit(self, token: Token, capability: str, path: str) -> None:
        """The most specific rule decides: an exact path, or else the longest prefix."""
        if _ROOT in token.policies or path in _DEFAULT:
            return
        rules = [rule for name in token.policies for rule in self.policies.get(name, []) if _matches(rule[0], path)]
        if not rules:
            raise DENIED
        best = max(rules, key=lambda rule: (not rule[0].endswith("*"), "+" not in rule[0], len(rule[0])))
        if capability not in {c for path_, found in rules if path_ == best[0] for c in found}:
            raise DENIED

    def grant(self, options: dict[str, Any]) -> Token:
        token = Token(
            f"hvs.{secrets.token_urlsafe(24)}",
            ["default", *options.get("token_policies", [])],
            seconds(options.get("token_ttl", 0)) or 32 * 24 * 3600,
            seconds(options.get("token_max_ttl", 0)),
            renewable=True,
        )
        self.tokens[token.id] = token
        return token

    def approle(self, method: str, path: list[str], body: dict[str, Any]) -> Answer:
        if path == ["login"]:
            role = self.secret_ids.get(body.get("secret_id", ""))
            if role is None or self.role_ids.get(body.get("role_id", "")) != role:
                raise Failed(400, "invalid role or secret ID")
            return Answer(200, envelope(auth=self.grant(self.roles[role]).auth()))
        _, role, *more = path
        if method == "POST" and not more:
            self.roles[role] = {**body, "token_policies": _listed(body.get("token_policies", []))}
            if role not in self.role_ids.values():
                self.role_ids[secrets.token_hex(16)] = role
            return Answer(204)
        if role not in self.roles:
            raise Failed(404)
        if more == ["role-id"]:
            return data({"role_id": next(role_id for role_id, name in self.role_ids.items() if name == role)})
        secret_id = secrets.token_hex(16)
        self.secret_ids[secret_id] = role
        return data({"secret_id": secret_id, "secret_id_accessor": "accessor", "secret_id_ttl": 0})

    def kubernetes(self, method: str, path: list[str], body: dict[str, Any]) -> Answer:
        if path == ["login"]:
            if self.service_accounts.get(body.get("jwt", "")) != body.get("role"):
                raise DENIED
            return Answer(200, envelope(auth=self.grant(self.roles[f"kubernetes/{body['role']}"]).auth()))
        if method == "GET":
            return data(self.roles[f"kubernetes/{path[1]}"])
        self.roles[f"kubernetes/{path[1]}"] = {**body, "token_policies": _listed(body.get("token_policies", []))}
        return Answer(204)

    def tokens_of(self, token: Token, method: str, path: list[str], body: dict[str, Any]) -> Answer:
        if path == ["lookup-self"]:
            return data(token.looked_up())
        if path == ["renew-self"]:
            if not token.renewable:
                raise Failed(400, "lease is not renewable")
            token.renew()
            return Answer(200, envelope(auth=token.auth()))
        if path == ["revoke-self"]:
            del self.tokens[token.id]
            return Answer(204)
        options = {
            "token_policies": body.get("policies", []),
            "token_ttl": body.get("ttl", 0),
            "token_max_ttl": body.get("explicit_max_ttl", 0),
        }
        made = self.grant(options)
        made.renewable = body.get("renewable", True)
        return Answer(200, envelope(auth=made.auth()))


def _listed(policies: Any) -> list[str]:
    return policies.split(",") if isinstance(policies, str) else list(policies)


def _matches(rule: str, path: str) -> bool:
    """``+`` is one segment, a ``*`` at the end is any rest."""
    pattern = re.escape(rule.removesuffix("*")).replace(r"\+", "[^/]+")
    return re.fullmatch(pattern + (".*" if rule.endswith("*") else ""), path) is not None
