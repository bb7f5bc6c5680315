"""A Prometheus server of the tests' own, from Debian's package or from PATH, on the rules this repository ships."""

import re
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

SHIPPED = Path(__file__).parents[2] / "deploy" / "prometheus"
_PATIENCE_S = 120
_PAUSE_S = 0.2


def binary(name: str) -> str:
    """Path of a program of the package."""
    found = shutil.which(name)
    if found is None:
        pytest.fail(f"{name} is missing: install Debian's package prometheus")
    return found


@dataclass(frozen=True)
class Prometheus:
    """A server that runs.

    Attributes:
        url: it listens at.
    """

    url: str

    def query(self, expression: str) -> list[dict[str, Any]]:
        """What an expression is worth now, one object for each series."""
        answer = self._get("/api/v1/query", query=expression)
        assert answer["status"] == "success", answer
        return answer["data"]["result"]

    def rules(self) -> list[dict[str, Any]]:
        """All rules, with their health."""
        return [rule for group in self._get("/api/v1/rules")["data"]["groups"] for rule in group["rules"]]

    def wait_for(self, expression: str) -> list[dict[str, Any]]:
        """Until an expression has a value."""
        end = time.monotonic() + _PATIENCE_S
        while not (found := self.query(expression)):
            assert time.monotonic() < end, f"no data for {expression}"
            time.sleep(_PAUSE_S)
        return found

    def _get(self, path: str, **query: str) -> dict[str, Any]:
        return httpx.get(self.url + path, params=query, timeout=_PATIENCE_S, trust_env=False).json()


@contextmanager
def scraping(target: str, folder: Path) -> Iterator[Prometheus]:
    """A server with the shipped configuration, but this target, and faster; gone behind the block."""
    config = yaml.safe_load((SHIPPED / "prometheus.yml").read_text())
    config["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    config["rule_files"] = [str(SHIPPED / pattern) for pattern in config["rule_files"]]
    config["scrape_configs"][0]["static_configs"] = [{"targets": [target]}]
    file = folder / "prometheus.yml"
    file.write_text(yaml.safe_dump(config))
    process = subprocess.Popen(
        [
            binary("prometheus"),
            f"--config.file={file}",
            f"--storage.tsdb.path={folder / 'data'}",
            "--web.listen-address=127.0.0.1:0",
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    log = process.stderr
    assert log is not None
    rest = threading.Thread(target=lambda: [None for _ in log])
    try:
        server = Prometheus(_address(log))
        rest.start()
        yield server
    finally:
        process.kill()
        process.wait()
        if rest.ident is not None:
            rest.join()
        log.close()


def _address(log: Any) -> str:
    """Where the server says that it listens, once it is ready."""
    seen, found, ready = [], None, False
    for line in log:
        seen.append(line)
        # In either order: it begins to listen beside all else.
        found = re.search(r'msg="Listening on" address=(\S+)', line) or found
        ready = ready or "ready to receive web requests" in line
        if found and ready:
            return f"http://{found[1]}"
    raise AssertionError("".join(seen))
