"""Images without an engine: Debian's buildah, with storage of its own that is gone afterwards."""

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Buildah:
    """A store of images.

    Attributes:
        folder: where it lies.
    """

    folder: Path

    def __call__(self, *arguments: object) -> str:
        """Run a command; what it printed."""
        store = ["--root", self.folder / "images", "--runroot", self.folder / "running", "--storage-driver", "vfs"]
        command = ["buildah", *map(str, store), *map(str, arguments)]
        return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()

    def imported(self, root: Path, name: str) -> str:
        """Make an image of a directory."""
        container = self("from", "scratch")
        self("add", "-q", container, root, "/")
        self("config", "--env", "PATH=/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin", container)
        self("commit", "-q", "--rm", container, name)
        return name

    def built(self, context: Path, name: str, **arguments: str) -> str:
        """Build a Dockerfile, with build arguments, on the network of this machine."""
        given = [word for key, value in arguments.items() for word in ("--build-arg", f"{key}={value}")]
        # Without an engine there are no namespaces to be had everywhere: a chroot is isolation enough to build.
        options = ("--isolation", "chroot", "--network", "host", "--format", "docker")
        self("build", *options, *given, "-t", name, context)
        return name

    def configuration(self, name: str) -> dict[str, Any]:
        """What an image says of how it is run."""
        found: dict[str, Any] = json.loads(self("inspect", "--type", "image", name))["Docker"]["config"]
        return found

    def mounted(self, name: str) -> Path:
        """The files of an image."""
        return Path(self("mount", self("from", "--pull-never", name)))
