"""An image started as an engine would start it: as its user, without capabilities, on a read-only file system."""

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.waiting import PATIENCE_S, until

_ISOLATED = ("unshare", "--mount", "--pid", "--ipc", "--uts", "--net", "--fork", "--kill-child")
_CONFINED = ("setpriv", "--clear-groups", "--no-new-privs", "--bounding-set=-all", "--inh-caps=-all")
# Of the root ($1), with $2 as the one directory that may be written, $3; then what is to run.
_ENTER = """
set -e
ip link set lo up
mount --bind "$1" "$1"
mount --bind "$2" "$1$3"
mount -o remount,bind,ro "$1"
mount -t proc proc "$1/proc"
mount --bind /dev "$1/dev"
mount -t tmpfs tmpfs "$1/tmp"
root=$1
shift 3
exec chroot "$root" "$@"
"""


@dataclass(frozen=True)
class Container:
    """What runs.

    Attributes:
        process: that everything in it ends with.
    """

    process: subprocess.Popen[bytes]
    configuration: dict[str, Any]

    @property
    def first(self) -> int:
        """The image's own process, as this machine counts."""
        (child,) = self.children
        return child

    @property
    def children(self) -> list[int]:
        """None until it is isolated."""
        waiting = self.process.pid
        return [*map(int, Path(f"/proc/{waiting}/task/{waiting}/children").read_text().split())]

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """One more command in it, as the image's user."""
        enter = ("nsenter", f"--target={self.first}", "--mount", "--pid", "--ipc", "--uts", "--net", "--root")
        command = [*enter, *_as_the_image_says(self.configuration), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    def stop(self) -> int:
        """SIGTERM to its process; the exit status."""
        os.kill(self.first, signal.SIGTERM)
        return self.process.wait(PATIENCE_S)


def _as_the_image_says(configuration: dict[str, Any], **environment: str) -> list[str]:
    user, group = configuration["User"].split(":")
    variables = [*configuration["Env"], *(f"{name}={value}" for name, value in environment.items())]
    return [
        *(*_CONFINED, f"--reuid={user}", f"--regid={group}"),
        *("env", "-i", "-C", configuration["WorkingDir"], *variables),
    ]


@contextmanager
def started(root: Path, configuration: dict[str, Any], home: Path, **environment: str) -> Iterator[Container]:
    """Run what the image runs; killed behind the block, if it still runs.

    Args:
        root: the image's files.
        configuration: of the image.
        home: becomes its volume.
        environment: more variables.
    """
    (volume,) = configuration["Volumes"]
    command = [
        *(*_ISOLATED, "sh", "-c", _ENTER, "enter", str(root), str(home), volume),
        *_as_the_image_says(configuration, **environment),
        *configuration["Entrypoint"],
        *configuration["Cmd"],
    ]
    process = subprocess.Popen(command)
    try:
        container = Container(process, configuration)
        healthy = [*container.configuration["Healthcheck"]["Test"][1:]]
        until(lambda: _lives(container, healthy), pause_s=1)
        yield container
    finally:
        process.kill()
        process.wait()


def _lives(container: Container, healthy: list[str]) -> bool:
    """What the image's own health check says."""
    assert container.process.poll() is None, "it ended"
    return container.children != [] and container.run(*healthy).returncode == 0
