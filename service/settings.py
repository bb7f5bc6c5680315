"""Configuration from the environment; read only by the composition root and the command line."""

import os
from pathlib import Path
from typing import Any, Literal

import platformdirs
from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from service.errors import SettingsInvalid

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
        env: ``production`` refuses to serve with parts that are for development only.
        host: address the service listens on.
        port: of the service.
        operations: requests worked on at a time, each in a thread with a decoded image or several.
        queue_limit: requests that may wait for the device.
        admitted: requests at a time, those that upload among them; beyond it the answer is 429.
        max_upload_bytes: of a request body.
        max_pixels: of an image, width times height.
        upload_timeout: seconds a request body may take to arrive.
        audit_timeout: seconds in which the audit log, and the database as a whole, has to answer; after that the
            answer to the request is 503.
        audit_checkpoint_url: where checkpoints are sent besides ``home``: ``PUT <url>/<tenant>.checkpoint``.
        audit_checkpoint_token: sent there as a bearer token.
        upkeep_interval: seconds between two times that interrupted attempts are closed and expired records deleted.
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
    env: Literal["development", "production"] = "development"
    host: str = "127.0.0.1"
    port: int = Field(default=8080, ge=0, le=65535)
    operations: PositiveInt = 8
    queue_limit: PositiveInt = 32
    admitted: PositiveInt = 32
    max_upload_bytes: PositiveInt = 64 << 20
    max_pixels: PositiveInt = 100_000_000
    upload_timeout: PositiveFloat = 60.0
    audit_timeout: float = Field(default=10.0, ge=2)
    audit_checkpoint_url: str | None = None
    audit_checkpoint_token: SecretStr | None = None
    upkeep_interval: PositiveFloat = 60.0
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


def _refuse_unknown(settings: type[Settings]) -> None:
    known = {f"{_PREFIX}{name.upper()}" for name in settings.model_fields}
    for name in sorted(map(str.upper, os.environ)):
        if name.startswith(_PREFIX) and not name.startswith(_OF_TESTS) and name not in known:
            raise SettingsInvalid(f"there is no setting {name}")
