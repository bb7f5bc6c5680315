"""A package index for the build, filled by the pip that the developer has: the build itself needs no other."""

import functools
import subprocess
import sys
import threading
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
_PYTHON = "3.11"


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: Any) -> None:
        """Say nothing of requests."""


def download(folder: Path) -> None:
    """Lay out wheels of all that the image needs as an index: a directory for each project."""
    given = tomllib.loads((ROOT / "pyproject.toml").read_text())
    project, build = given["project"], given["build-system"]
    needed = [*project["dependencies"], *project["optional-dependencies"]["otel"], *build["requires"]]
    pip = [sys.executable, "-m", "pip", "download", "-q", f"--python-version={_PYTHON}", "--only-binary=:all:"]
    subprocess.run([*pip, "-d", folder, *needed], check=True)
    for wheel in folder.glob("*.whl"):
        name = wheel.name.split("-")[0].lower().replace("_", "-").replace(".", "-")
        (folder / name).mkdir(exist_ok=True)
        wheel.rename(folder / name / wheel.name)


@contextmanager
def index(folder: Path) -> Iterator[str]:
    """Serve such a directory on this machine; the URL."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(_Quiet, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
