"""Environment variables as settings: their names, which of them are known, and secrets that stand in files."""

import os
from collections.abc import Mapping

from pydantic import BaseModel

from service.errors import SettingsInvalid

PREFIX = "VISARD_"
FILE_SUFFIX = "_FILE"
"""A secret may stand in a file, which the variable with this ending names."""

_MAX_SECRET = 64 << 10


def variable(name: str) -> str:
    """The environment variable of a setting."""
    return f"{PREFIX}{name.upper()}"


def secrets(settings: type[BaseModel]) -> list[str]:
    """The settings that may stand in a file."""
    return [name for name, field in settings.model_fields.items() if "SecretStr" in str(field.annotation)]


def our_variables() -> Mapping[str, str]:
    """Our variables, by their names in capitals."""
    return {name.upper(): value for name, value in os.environ.items() if name.upper().startswith(PREFIX)}


def refuse_unknown(settings: type[BaseModel], environment: Mapping[str, str]) -> None:
    """Let pass variables that are settings, or name the file of a secret.

    Raises:
        SettingsInvalid: another one begins like ours.
    """
    known = {variable(name) for name in settings.model_fields}
    known |= {variable(name) + FILE_SUFFIX for name in secrets(settings)}
    for name in sorted(environment):
        if name not in known:
            raise SettingsInvalid(f"there is no setting {name}")


def from_files(settings: type[BaseModel], environment: Mapping[str, str]) -> dict[str, str]:
    """The secrets that stand in files, by the names of their settings.

    Raises:
        SettingsInvalid: a file cannot be used, or the secret is given in both ways.
    """
    found = {}
    for name in secrets(settings):
        file = environment.get(variable(name) + FILE_SUFFIX)
        if not file:
            continue
        if environment.get(variable(name)):
            raise SettingsInvalid(f"{variable(name)} and {variable(name)}{FILE_SUFFIX} are both set: keep one")
        found[name] = read_secret(variable(name) + FILE_SUFFIX, file)
    return found


def read_secret(name: str, file: str) -> str:
    """The content of a file, without the line break that editors leave at its end.

    Args:
        name: of what names the file, for the message.

    Raises:
        SettingsInvalid: it cannot be read, is empty or too long.
    """
    try:
        with open(file, encoding="utf-8") as opened:
            secret = opened.read(_MAX_SECRET + 1).rstrip("\r\n")
    except (OSError, ValueError) as error:
        raise SettingsInvalid(f"{name}: the file cannot be read") from error
    if not secret or len(secret) > _MAX_SECRET:
        raise SettingsInvalid(f"{name}: the file is empty or too long")
    return secret
