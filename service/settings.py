"""Configuration from the environment; read only by the composition root and the command line."""

import os
from pathlib import Path
from typing import Any, Literal

import platformdirs
from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from service.errors import HomeUnusable, SettingsInvalid

_PREFIX = "VISARD_"
_OF_TESTS = "VISARD_TEST_"


def _default_home() -> Path:
    return Path(platformdirs.user_data_dir("visard", appauthor=False))


class Settings(BaseSettings):
    """Every setting is an environment variable: VISARD_ and the name in capitals.

    Attributes:
        home: where keys, records and the audit log of the embedded set-up live; made with mode 0700.
        weights: a bundle directory, or a directory of bundles; the packaged bundle if unset.
        database_url: ``postgresql+psycopg://...`` or ``sqlite:///FILE``, brought to this version's schema by
            ``visard migrate``; a SQLite file below ``home``, migrated by itself, if unset.
        device: of the network, as torch names it (``cpu``, ``cuda``).
        keystore: who holds the tenants' master keys: ``local`` (files below ``home``, for development) or ``vault``.
        keystore_passphrase: protects the local keystore; its keys are wrapped with it from then on.
        keystore_passphrase: SecretStr | None = Field(default=None, min_length=1)
    key_cache_seconds: how long a master key and the number of a current version are remembered; 0 for never.
            A key that was destroyed or rotated elsewhere is used no longer than that.
        vault_addr: URL of Vault or OpenBao, ``https://vault.example:8200``.
        vault_mode: ``kv`` reads master keys from the KV engine (version 2), ``transit`` leaves them in Vault and has
            it compute the keys of records.
        vault_namespace: of Vault Enterprise or OpenBao; none if unset.
        vault_kv_mount: of the KV engine.
        vault_kv_path: below which the secrets are, as ``PATH/TENANT/VERSION``.
        vault_transit_mount: of the transit engine.
        vault_transit_prefix: of the names of transit keys.
        vault_auth: how to log in: ``approle``, ``kubernetes``, ``token-file`` (an agent keeps a token there) or
            ``token``.
        vault_auth_mount: of the auth method; named like the method if unset.
        vault_role_id: of the AppRole.
        vault_secret_id: of the AppRole.
        vault_secret_id_path: a file with the secret id instead, read at every login.
        vault_role: of the Kubernetes auth method.
        vault_kubernetes_token_path: where the service account's token is.
        vault_token_path: the agent's file, with ``token-file``.
        vault_token: with ``token``; it is renewed, but nothing replaces it once it has expired.
        vault_ca: PEM file of the authorities Vault's certificate may come from; those of the system if unset.
        vault_client_cert: PEM file of a certificate to show to Vault.
        vault_client_key: PEM file of its key; in the same file if unset.
        vault_timeout: seconds Vault may take to accept a connection, and again for each piece of its answer.
        vault_retries: how often a request is repeated after it failed.
        env: ``production`` refuses to serve with parts that are for development only.
        host: address the service listens on.
        port: of the service.
        operations: requests worked on at a time, each in a thread with a decoded image or several.
        queue_limit: requests that may wait for the device.
        admitted: requests at a time, those that upload among them; beyond it the answer is 429.
        max_upload_bytes: of a request body.
        max_pixels: of an image, width times height.
        upload_timeout: seconds a request body may take to arrive.
        drain_delay: seconds between a stop signal, when readiness drops, and the end of accepting requests.
        drain_deadline: seconds after that in which accepted requests are finished.

    Raises:
        SettingsInvalid: a variable is unknown, or its value cannot be used.
    """

    model_config = SettingsConfigDict(env_prefix=_PREFIX, frozen=True)

    home: Path = Field(default_factory=_default_home)
    weights: Path | None = None
    database_url: SecretStr | None = None
    device: str = "cpu"
    keystore: Literal["local", "vault"] = "local"
    keystore_passphrase: SecretStr | None = Field(default=None, min_length=1)
    key_cache_seconds: NonNegativeFloat = 60.0
    vault_addr: str | None = None
    vault_mode: Literal["kv", "transit"] = "kv"
    vault_namespace: str | None = None
    vault_kv_mount: str = "secret"
    vault_kv_path: str = "visard"
    vault_transit_mount: str = "transit"
    vault_transit_prefix: str = "visard-"
    vault_auth: Literal["approle", "kubernetes", "token-file", "token"] = "approle"
    vault_auth_mount: str | None = None
    vault_role_id: str | None = None
    vault_secret_id: SecretStr | None = None
    vault_secret_id_path: Path | None = None
    vault_role: str | None = None
    vault_kubernetes_token_path: Path = Path("/var/run/secrets/kubernetes.io/serviceaccount/token")
    vault_token_path: Path | None = None
    vault_token: SecretStr | None = None
    vault_ca: Path | None = None
    vault_client_cert: Path | None = None
    vault_client_key: Path | None = None
    vault_timeout: PositiveFloat = 2.0
    vault_retries: NonNegativeInt = 2
    env: Literal["development", "production"] = "development"
    host: str = "127.0.0.1"
    port: int = Field(default=8080, ge=0, le=65535)
    operations: PositiveInt = 8
    queue_limit: PositiveInt = 32
    admitted: PositiveInt = 32
    max_upload_bytes: PositiveInt = 64 << 20
    max_pixels: PositiveInt = 100_000_000
    upload_timeout: PositiveFloat = 60.0
    drain_delay: NonNegativeFloat = 5.0
    drain_deadline: PositiveFloat = 60.0

    def __init__(self, **values: Any) -> None:
        _refuse_unknown(type(self))
        try:
            super().__init__(**values)
        except ValidationError as error:
            first = error.errors(include_url=False, include_context=False, include_input=False)[0]
            # The cause quotes the value, which may be a secret.
            raise SettingsInvalid(f"{_PREFIX}{str(first['loc'][0]).upper()}: {first['msg']}") from None


def made_home(settings: Settings) -> Path:
    """The home directory, made if it is missing.

    Raises:
        HomeUnusable: it cannot be made, or is no directory.
    """
    try:
        settings.home.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise HomeUnusable("VISARD_HOME cannot be made or is no directory") from error
    return settings.home


def _refuse_unknown(settings: type[Settings]) -> None:
    known = {f"{_PREFIX}{name.upper()}" for name in settings.model_fields}
    for name in sorted(map(str.upper, os.environ)):
        if name.startswith(_PREFIX) and not name.startswith(_OF_TESTS) and name not in known:
            raise SettingsInvalid(f"there is no setting {name}")
