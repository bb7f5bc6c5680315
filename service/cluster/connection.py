"""Joining a cluster, or starting one on this machine.

Ray reads its environment when it is imported: this module sets it, so it imports Ray late, and the others of this
room must be imported behind it.
"""

import logging
import os
import secrets
import shutil
import tempfile
from dataclasses import dataclass, field
from typing import Any

from service.errors import EngineUnavailable, SettingsInvalid

LOCAL = "local"
"""The address of a cluster that is started on this machine, and ends with the process."""
NAMESPACE = "visard"

_MEMORY = "/dev/shm"  # noqa: S108  # a file system in memory
SPILLING = "automatic_object_spilling_enabled"


@dataclass(frozen=True, slots=True)
class Access:
    """Where a cluster is, and what opens it.

    Attributes:
        address: ``LOCAL``, or the HOST:PORT of its head; this machine must be one of its nodes.
        token: of the cluster; None leaves it to Ray's own environment variables.
    """

    address: str
    token: str | None = field(default=None, repr=False)

    @property
    def guarded(self) -> bool:
        """Whether nodes must ask for a token."""
        return self.address == LOCAL or self.token is not None


class Connection:
    """This process as a client of the cluster."""

    def __init__(self, folder: str | None) -> None:
        self._folder = folder

    def close(self) -> None:
        """Leave it; one that was started here ends, and its files with it."""
        import ray

        ray.shutdown()
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)


def connect(access: Access) -> Connection:
    """Make this process a client of the cluster.

    Raises:
        SettingsInvalid: Ray is not installed.
        EngineUnavailable: the cluster does not answer, or refuses the token.
    """
    # Without the second, a thread of Ray Serve that outlives the connection would start a cluster of its own.
    os.environ.update(RAY_USAGE_STATS_ENABLED="0", RAY_ENABLE_AUTO_CONNECT="0")
    token = secrets.token_hex(32) if access.address == LOCAL else access.token
    if token is not None:
        os.environ.update(RAY_AUTH_MODE="token", RAY_AUTH_TOKEN=token)
    try:
        import ray
    except ImportError as error:
        raise SettingsInvalid("Ray is not installed: pip install visard[ray]") from error
    quiet: dict[str, Any] = {"namespace": NAMESPACE, "log_to_driver": False, "logging_level": logging.ERROR}
    folder = tempfile.mkdtemp(prefix="visard-ray-", dir=_MEMORY) if access.address == LOCAL else None
    connection = Connection(folder)
    try:
        if folder is None:
            ray.init(address=access.address, **quiet)
        else:
            ray.init(
                address=LOCAL, include_dashboard=False, _temp_dir=folder, _system_config={SPILLING: False}, **quiet
            )
    except (OSError, RuntimeError, ValueError, ray.exceptions.RayError):
        connection.close()
        # What Ray says holds addresses.
        raise EngineUnavailable("the Ray cluster does not answer, or refuses the token") from None
    logging.getLogger("ray").setLevel(logging.ERROR)
    return connection
