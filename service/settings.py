"""Configuration from the environment; read only by the composition root and the command line."""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

import platformdirs
from pydantic import (
    Field,
    NonNegativeFloat,
    PositiveFloat,
    PositiveInt,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from service.access.oidc import Algorithm
from service.errors import SettingsInvalid

PREFIX = "VISARD_"
FILE_SUFFIX = "_FILE"
"""A secret may stand in a file, which the variable with this ending names."""

_OF_TESTS = "VISARD_TEST_"
_MAX_SECRET = 64 << 10
_LOOPBACK = ("localhost", "127.0.0.1", "::1")
_PEPPER = re.compile(r"[0-9A-Fa-f]{64}")


def _default_home() -> Path:
    return Path(platformdirs.user_data_dir("visard", appauthor=False))


class Settings(BaseSettings):
    """Every setting is an environment variable: VISARD_ and the name in capitals.

    Raises:
        SettingsInvalid: a variable is unknown, or its value cannot be used.
    """

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, frozen=True, use_attribute_docstrings=True, allow_inf_nan=False, env_ignore_empty=True
    )

    env: Literal["development", "production"] = "development"
    """`production` refuses to serve with parts that are for development only."""

    home: Path = Field(default_factory=_default_home)
    """Where keys, records and the audit log of the embedded set-up live, made with mode 0700; the user's data
    directory if unset."""

    weights: Path | None = None
    """A bundle's directory, a packaged one's name (`faces-160`, `faces-64`), or a directory of bundles; `faces-160` if
    unset."""

    device: str = "cpu"
    """Of the network, as torch names it: `cpu`, `cuda`."""

    database_url: SecretStr | None = None
    """`postgresql+psycopg://...` or `sqlite:///FILE`, brought to this version's schema by `visard migrate`; a SQLite
    file below the home directory, migrated by itself, if unset."""

    token_pepper: SecretStr | None = None
    """The key that tokens are hashed with: 64 hexadecimal digits, the same for all replicas, as from
    `openssl rand -hex 32`; made below the home directory if unset."""

    oidc_issuer: str | None = None
    """Of the JWTs that are accepted besides our own tokens, exactly as in `iss`; none are if unset."""

    oidc_audience: str | None = None
    """What names this service in `aud`; required with an issuer."""

    oidc_jwks_url: str | None = None
    """Where the issuer publishes its keys, HTTPS unless on this machine; required with an issuer."""

    oidc_algorithms: Annotated[tuple[Algorithm, ...], NoDecode] = Field(
        default=("RS256", "ES256", "EdDSA"), min_length=1
    )
    """Of signatures, with spaces between."""

    oidc_tenant_claim: str = Field(default="tenant", min_length=1)
    """The claim that names the tenant, or a JSON pointer like `/org/name` into one."""

    oidc_scope_claim: str = Field(default="scope", min_length=1)
    """The claim that lists the scopes, or a JSON pointer like `/realm_access/roles` into one."""

    oidc_scope_prefix: str = ""
    """What stands before the names of scopes there, such as `visard:`."""

    oidc_leeway: float = Field(default=30.0, ge=0, le=300)
    """Seconds by which the issuer's clock may differ."""

    oidc_timeout: float = Field(default=5.0, gt=0, le=60)
    """Seconds a request waits for the issuer's keys."""

    host: str = "127.0.0.1"
    """Address the service listens on."""

    port: int = Field(default=8080, ge=0, le=65535)
    """Of the service; 0 takes any free one."""

    metrics_port: int | None = Field(default=None, ge=1, le=65535)
    """Of the measurements, which are at `/metrics` of the service itself if unset."""

    operations: PositiveInt = 8
    """Requests worked on at a time, each in a thread with a decoded image or several."""

    queue_limit: PositiveInt = 32
    """Requests that may wait for the device."""

    admitted: PositiveInt = 32
    """Requests at a time, those that upload among them; beyond it the answer is 429."""

    max_upload_bytes: PositiveInt = 64 << 20
    """Of a request body."""

    max_pixels: PositiveInt = 100_000_000
    """Of an image, width times height."""

    max_faces: PositiveInt = 100
    """That are replaced in one image."""

    requests_per_minute: PositiveInt | None = None
    """Of each caller, counted in the database for all replicas; beyond it the answer is 429. No limit if unset."""

    idempotency_retention: int = Field(default=24 * 3600, ge=600, le=30 * 24 * 3600)
    """Seconds for which an answer is kept, to be given again under its `Idempotency-Key`."""

    upload_timeout: PositiveFloat = 60.0
    """Seconds a request body may take to arrive."""

    audit_timeout: float = Field(default=10.0, ge=2)
    """Seconds in which the audit log, and the database as a whole, has to answer; after that the answer is 503."""

    audit_checkpoint_url: str | None = None
    """Where checkpoints are sent besides the home directory: `PUT <url>/<tenant>.checkpoint`."""

    audit_checkpoint_token: SecretStr | None = None
    """Sent there as a bearer token."""

    upkeep_interval: PositiveFloat = 60.0
    """Seconds between two times that interrupted attempts are closed and expired records deleted."""

    drain_delay: NonNegativeFloat = 5.0
    """Seconds between a stop signal, when readiness drops, and the end of accepting requests."""

    drain_deadline: PositiveFloat = 60.0
    """Seconds after that in which accepted requests are finished."""

    @field_validator("token_pepper")
    @classmethod
    def _is_pepper(cls, pepper: SecretStr | None) -> SecretStr | None:
        if pepper is not None and not _PEPPER.fullmatch(pepper.get_secret_value()):
            raise ValueError("64 hexadecimal digits are needed")
        return pepper

    @field_validator("oidc_algorithms", mode="before")
    @classmethod
    def _words(cls, algorithms: object) -> object:
        return tuple(algorithms.split()) if isinstance(algorithms, str) else algorithms

    @field_validator("oidc_jwks_url")
    @classmethod
    def _is_safe(cls, url: str | None) -> str | None:
        parts = urlsplit(url or "")
        if url and not (parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _LOOPBACK)):
            raise ValueError("an HTTPS URL is needed")
        return url

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        if len({self.oidc_issuer is None, self.oidc_audience is None, self.oidc_jwks_url is None}) > 1:
            names = ", ".join(map(variable, ("oidc_issuer", "oidc_audience", "oidc_jwks_url")))
            raise ValueError(f"{names}: set all of them or none")
        return self

    def __init__(self, **values: Any) -> None:
        environment = _environment()
        _refuse_unknown(type(self), environment)
        values = {**_from_files(type(self), environment), **values}
        try:
            super().__init__(**values)
        except ValidationError as error:
            first = error.errors(include_url=False, include_context=False, include_input=False)[0]
            # The cause quotes the value, which may be a secret.
            raise SettingsInvalid(f"{_where(first['loc'])}{first['msg']}") from None


def variable(name: str) -> str:
    """The environment variable of a setting."""
    return f"{PREFIX}{name.upper()}"


def secrets(settings: type[Settings]) -> list[str]:
    """The settings that may stand in a file."""
    return [name for name, field in settings.model_fields.items() if "SecretStr" in str(field.annotation)]


def _where(location: tuple[int | str, ...]) -> str:
    return f"{variable(str(location[0]))}: " if location else ""


def _environment() -> Mapping[str, str]:
    return {name.upper(): value for name, value in os.environ.items() if name.upper().startswith(PREFIX)}


def _refuse_unknown(settings: type[Settings], environment: Mapping[str, str]) -> None:
    known = {variable(name) for name in settings.model_fields}
    known |= {variable(name) + FILE_SUFFIX for name in secrets(settings)}
    for name in sorted(environment):
        if not name.startswith(_OF_TESTS) and name not in known:
            raise SettingsInvalid(f"there is no setting {name}")


def _from_files(settings: type[Settings], environment: Mapping[str, str]) -> dict[str, str]:
    found = {}
    for name in secrets(settings):
        file = environment.get(variable(name) + FILE_SUFFIX)
        if not file:
            continue
        if environment.get(variable(name)):
            raise SettingsInvalid(f"{variable(name)} and {variable(name)}{FILE_SUFFIX} are both set: keep one")
        found[name] = _read_secret(variable(name) + FILE_SUFFIX, file)
    return found


def _read_secret(name: str, file: str) -> str:
    """The content of a file, without the line break that editors leave at its end."""
    try:
        with open(file, encoding="utf-8") as opened:
            secret = opened.read(_MAX_SECRET + 1).rstrip("\r\n")
    except (OSError, ValueError) as error:
        raise SettingsInvalid(f"{name}: the file cannot be read") from error
    if not secret or len(secret) > _MAX_SECRET:
        raise SettingsInvalid(f"{name}: the file is empty or too long")
    return secret
