"""Configuration from the environment; read only by the composition root and the command line."""

from pathlib import Path

import platformdirs
from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


def _default_home() -> Path:
    return Path(platformdirs.user_data_dir("visard", appauthor=False))


class Settings(BaseSettings):
    """Every setting is an environment variable: VISARD_ and the name in capitals.

    Attributes:
        home: where keys, records and the audit log of the embedded set-up live; made with mode 0700.
        weights: a bundle directory, or a directory of bundles; the packaged bundle if unset.
        device: of the network, as torch names it (``cpu``, ``cuda``).
    """

    model_config = SettingsConfigDict(env_prefix="VISARD_", frozen=True)

    home: Path = Field(default_factory=_default_home)
    weights: Path | None = None
    device: str = "cpu"
