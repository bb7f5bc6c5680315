"""The home directory, where the embedded set-up keeps what it keeps."""

from pathlib import Path

from service.errors import HomeUnusable
from service.settings import Settings


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
