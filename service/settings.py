"""Configuration from the environment; read only by the composition root and the command line."""

import re
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import platformdirs
from pydantic import (
    Field,
    IPvAnyNetwork,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from service.access.oidc import Algorithm
from service.environment import PREFIX, from_files, our_variables, refuse_unknown, variable
from service.errors import SettingsInvalid
from service.transport import is_protected

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
    unset, or if that holds several."""

    device: str = "cpu"
    """Device of the network, as torch names it: `cpu`, `cuda`."""

    engine: Literal["local", "ray"] = "local"
    """Where faces are drawn: `local`, in this process; or `ray`, by the replicas that `visard ray deploy` started."""

    ray_address: str = "127.0.0.1:6379"
    """`HOST:PORT` of the head of the Ray cluster; this machine must be one of its nodes."""

    ray_token: SecretStr | None = Field(default=None, min_length=1)
    """Token of the Ray cluster. Required unless the head is on this machine and `VISARD_ENV` is `development`."""

    keystore: Literal["local", "vault"] = "local"
    """Who holds the tenants' master keys: `local`, files below the home directory, for development; or `vault`."""

    keystore_passphrase: SecretStr | None = Field(default=None, min_length=1)
    """Protects the local keystore; its keys are wrapped with it from then on."""

    key_cache_seconds: NonNegativeFloat = 60.0
    """Seconds a master key and the number of a current version are remembered, 0 for never. A key that was
    destroyed or rotated elsewhere is used no longer than that."""

    vault_addr: str | None = None
    """URL of Vault or OpenBao, `https://vault.example:8200`; required with the keystore or the signer `vault`.
    In production it is HTTPS, unless on this machine."""

    vault_mode: Literal["kv", "transit"] = "kv"
    """`kv` reads master keys from the KV engine, version 2; `transit` leaves them in Vault and has it compute the
    keys of records."""

    vault_namespace: str | None = None
    """Namespace, of Vault Enterprise or OpenBao; none if unset."""

    vault_kv_mount: str = "secret"
    """Mount of the KV engine."""

    vault_kv_path: str = "visard"
    """Path of the secrets in it, as in `PATH/TENANT/VERSION`."""

    vault_transit_mount: str = "transit"
    """Mount of the transit engine."""

    vault_transit_prefix: str = "visard-"
    """What the names of transit keys begin with."""

    vault_auth: Literal["approle", "kubernetes", "token-file", "token"] = "approle"
    """How to log in; with `token-file` an agent keeps a token there."""

    vault_auth_mount: str | None = None
    """Mount of the auth method; named like the method if unset."""

    vault_role_id: str | None = None
    """Role id of the AppRole."""

    vault_secret_id: SecretStr | None = None
    """Secret id of the AppRole; as a file it is read once, at the start."""

    vault_secret_id_path: Path | None = None
    """A file with the secret id instead, read at every login, so that it can be replaced meanwhile."""

    vault_role: str | None = None
    """Role of the Kubernetes auth method."""

    vault_kubernetes_token_path: Path = Path("/var/run/secrets/kubernetes.io/serviceaccount/token")
    """Where the service account's token is."""

    vault_token_path: Path | None = None
    """The agent's file, with `token-file`; read again whenever Vault denies the token."""

    vault_token: SecretStr | None = None
    """The token, with `token`; it is renewed, but nothing replaces it once it has expired."""

    vault_ca: Path | None = None
    """PEM file of the authorities Vault's certificate may come from; those of the system if unset."""

    vault_client_cert: Path | None = None
    """PEM file of a certificate to show to Vault."""

    vault_client_key: Path | None = None
    """PEM file of its key; in the same file if unset."""

    vault_timeout: PositiveFloat = 2.0
    """Seconds Vault may take to accept a connection, and again for each piece of its answer."""

    vault_retries: NonNegativeInt = 2
    """How often a request to Vault is repeated after it failed."""

    database_url: SecretStr | None = None
    """`postgresql+psycopg://...` or `sqlite:///FILE`, brought to this version's schema by `visard migrate`; a SQLite
    file below the home directory, migrated by itself, if unset."""

    token_pepper: SecretStr | None = None
    """The key that tokens are hashed with: 64 hexadecimal digits, the same for all replicas, as from
    `openssl rand -hex 32`; made below the home directory if unset, which production refuses."""

    oidc_issuer: str | None = None
    """Issuer of the JWTs that are accepted besides our own tokens, exactly as in `iss`; none are if unset."""

    oidc_audience: str | None = None
    """What names this service in `aud`; required with an issuer."""

    oidc_jwks_url: str | None = None
    """Where the issuer publishes its keys, HTTPS unless on this machine; required with an issuer."""

    oidc_algorithms: Annotated[tuple[Algorithm, ...], NoDecode] = Field(
        default=("RS256", "ES256", "EdDSA"), min_length=1
    )
    """Algorithms of signatures, with spaces between."""

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

    trusted_proxies: Annotated[tuple[IPvAnyNetwork, ...], NoDecode] = ()
    """Addresses or networks of reverse proxies, with spaces between, whose `X-Forwarded-For` says who calls: the
    address in the audit log. Do not list callers' networks: a trusted address can claim any client address. Nobody's is
    believed if unset."""

    port: int = Field(default=8080, ge=0, le=65535)
    """Port the service listens on; 0 takes any free one."""

    metrics_port: int | None = Field(default=None, ge=1, le=65535)
    """Port of the measurements, which are at `/metrics` of the service itself if unset."""

    operations: PositiveInt = 8
    """Requests worked on at a time, each in a thread with a decoded image or several."""

    queue_limit: PositiveInt = 32
    """Requests that may wait for the device (or be in flight on Ray), out of those being worked on; above it 429."""

    admitted: PositiveInt = 32
    """Requests at a time, those that upload among them; beyond it the answer is 429."""

    max_upload_bytes: PositiveInt = 64 << 20
    """Bytes of a request body or a file. A larger result is refused: it could not be recovered."""

    max_pixels: PositiveInt = 100_000_000
    """Pixels of an image, width times height."""

    max_faces: PositiveInt = 100
    """Faces that are replaced in one image."""

    requests_per_minute: PositiveInt | None = None
    """Requests of each caller in a minute, counted in the database for all replicas; beyond it the answer is 429. No
    limit if unset."""

    idempotency_retention: int = Field(default=24 * 3600, ge=600, le=30 * 24 * 3600)
    """Seconds for which an answer is kept, to be given again under its `Idempotency-Key`."""

    upload_timeout: PositiveFloat = 60.0
    """Seconds that a request's head, and then its body, may take to arrive, and that an answer may stand still because
    its caller does not read; a whole answer may for as long in all, and a second more for each 64 KiB of it."""

    audit_timeout: float = Field(default=10.0, ge=2)
    """Seconds in which the audit log, and the database as a whole, has to answer; after that the answer is 503."""

    audit_signer: Literal["file", "vault"] = "file"
    """Who holds the key that signs checkpoints: `file`, made below the home directory for its owner only, the same for
    all replicas; or `vault`, a key of its transit engine."""

    audit_vault_mount: str = "visard-audit"
    """Mount of that transit engine, best one of its own."""

    audit_vault_key: str = "checkpoints"
    """The name of the key there, of type ed25519; its first version signs."""

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

    @field_validator("oidc_algorithms", "trusted_proxies", mode="before")
    @classmethod
    def _words(cls, value: object) -> object:
        return tuple(value.split()) if isinstance(value, str) else value

    @field_validator("vault_kv_mount", "vault_kv_path", "vault_transit_mount", "vault_auth_mount", "audit_vault_mount")
    @classmethod
    def _without_outer_slashes(cls, path: str | None) -> str | None:
        # Vault writes mounts with one behind them; in the middle of a URL it would be one too many.
        return path and path.strip("/")

    @field_validator("oidc_jwks_url")
    @classmethod
    def _is_safe(cls, url: str | None) -> str | None:
        if url and not is_protected(url):
            raise ValueError("an HTTPS URL is needed")
        return url

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        if len({self.oidc_issuer is None, self.oidc_audience is None, self.oidc_jwks_url is None}) > 1:
            names = ", ".join(map(variable, ("oidc_issuer", "oidc_audience", "oidc_jwks_url")))
            raise ValueError(f"{names}: set all of them or none")
        return self

    def __init__(self, **values: Any) -> None:
        environment = our_variables()
        refuse_unknown(type(self), environment)
        values = {**from_files(type(self), environment), **values}
        try:
            super().__init__(**values)
        except ValidationError as error:
            first = error.errors(include_url=False, include_context=False, include_input=False)[0]
            # The cause quotes the value, which may be a secret.
            raise SettingsInvalid(f"{_where(first['loc'])}{first['msg']}") from None


def _where(location: tuple[int | str, ...]) -> str:
    return f"{variable(str(location[0]))}: " if location else ""
