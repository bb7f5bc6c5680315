"""How this service proves to Vault who it is."""

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from hvac import Client
from pydantic import BaseModel, Field, SecretStr

from service.errors import KeysUnavailable


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """A token and how long it lives.

    Attributes:
        token: for requests.
        ttl_s: from ``since``; 0 if it does not expire.
        renewable: whether Vault may prolong it.
        since: on the monotonic clock.
    """

    token: str = field(repr=False)
    ttl_s: float
    renewable: bool
    since: float = field(default_factory=time.monotonic)


class Login(Protocol):
    """One way to a token."""

    def __call__(self, client: Client) -> Lease:
        """Ask for a token with a client that has none, and has none afterwards.

        Raises:
            Exception: of hvac, requests or pydantic, see ``service.keys.vault_errors.attempt``.
            KeysUnavailable: the credentials cannot be read.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class AppRoleLogin:
    """A role id and a secret id; the latter may come from a file that is read at every login.

    Attributes:
        role_id: not secret by itself.
        secret_id: what proves it, or
        secret_id_path: the file that holds it.
        mount: of the auth method.
    """

    role_id: str
    secret_id: SecretStr | None = None
    secret_id_path: Path | None = None
    mount: str = "approle"

    def __call__(self, client: Client) -> Lease:
        """See ``Login``."""
        secret = self.secret_id.get_secret_value() if self.secret_id else None
        if self.secret_id_path is not None:
            secret = _content(self.secret_id_path)
        answer = client.auth.approle.login(self.role_id, secret, use_token=False, mount_point=self.mount)
        return _granted(answer)


@dataclass(frozen=True, slots=True, kw_only=True)
class KubernetesLogin:
    """The token of the pod's service account, which Kubernetes replaces from time to time.

    Attributes:
        role: of the auth method.
        token_path: where Kubernetes puts the token.
        mount: of the auth method.
    """

    role: str
    token_path: Path
    mount: str = "kubernetes"

    def __call__(self, client: Client) -> Lease:
        """See ``Login``."""
        jwt = _content(self.token_path)
        return _granted(client.auth.kubernetes.login(self.role, jwt, use_token=False, mount_point=self.mount))


@dataclass(frozen=True, slots=True)
class TokenFileLogin:
    """A file that an agent keeps a valid token in; the agent renews it, we read it again."""

    path: Path

    def __call__(self, client: Client) -> Lease:
        """See ``Login``."""
        ttl_s, _ = _looked_up(client, token := _content(self.path))
        return Lease(token=token, ttl_s=ttl_s, renewable=False)


@dataclass(frozen=True, slots=True)
class TokenLogin:
    """A token from the configuration. It can be renewed, but once it has expired nothing replaces it."""

    token: SecretStr

    def __call__(self, client: Client) -> Lease:
        """See ``Login``."""
        ttl_s, renewable = _looked_up(client, token := self.token.get_secret_value())
        return Lease(token=token, ttl_s=ttl_s, renewable=renewable)


def renewed(client: Client, lease: Lease) -> Lease:
    """Prolong the lease of the client's own token."""
    auth = _Answer.model_validate(client.auth.token.renew_self()).auth
    return Lease(token=lease.token, ttl_s=auth.lease_duration, renewable=auth.renewable)


class _Auth(BaseModel, hide_input_in_errors=True):
    client_token: str = Field(min_length=1, repr=False)
    lease_duration: int = Field(ge=0)
    renewable: bool


class _Answer(BaseModel, hide_input_in_errors=True):
    auth: _Auth


class _Token(BaseModel):
    ttl: int = Field(ge=0)
    renewable: bool = False


class _LookUp(BaseModel, hide_input_in_errors=True):
    data: _Token


def _granted(answer: object) -> Lease:
    auth = _Answer.model_validate(answer).auth
    return Lease(token=auth.client_token, ttl_s=auth.lease_duration, renewable=auth.renewable)


def _looked_up(client: Client, token: str) -> tuple[float, bool]:
    client.token = token
    try:
        found = _LookUp.model_validate(client.auth.token.lookup_self()).data
    finally:
        client.token = ""
    return found.ttl, found.renewable


def _content(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeError):
        pass
    raise KeysUnavailable("the credentials for the key custody cannot be read")
