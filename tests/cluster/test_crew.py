"""A batch on a Ray cluster that has room for fewer workers than were asked for."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster.ray_cluster import Cluster, ray_cluster

pytestmark = pytest.mark.xdist_group("ray")

_ROOT = Path(__file__).parents[2]
_FILES = 12
_PATIENCE_S = 300


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with ray_cluster(processors=1) as made:
        yield made


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Files that are no photos: a worker is soon done with them."""
    folder = tmp_path / "source"
    folder.mkdir()
    for number in range(_FILES):
        (folder / f"{number:02}.png").write_bytes(b"")
    return folder


def _batch(cluster: Cluster, tmp_path: Path, small_bundle: Path, *arguments: object, before: str = ""):
    """``visard batch``, with some lines of Python before it."""
    settings = {"VISARD_HOME": str(tmp_path / "home"), "VISARD_WEIGHTS": str(small_bundle)}
    access = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": cluster.token}
    command = [sys.executable, "-c", f"{before}\nfrom service import cli\ncli.main()", "batch", *map(str, arguments)]
    return subprocess.run(
        [*command, "--ray", cluster.address, "--manifest", str(tmp_path / "manifest.jsonl")],
        env=cluster.environment() | settings | access,
        cwd=_ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=_PATIENCE_S,
    )


def test_a_worker_that_never_starts_gets_nothing_to_do(
    cluster: Cluster, source: Path, tmp_path: Path, small_bundle: Path
) -> None:
    done = _batch(cluster, tmp_path, small_bundle, source, tmp_path / "out", "--workers", "3", "--threads", "1")
    assert done.returncode == 2, done.stderr
    assert f"{_FILES} failed" in done.stdout


def test_no_worker_for_long_ends_the_run(cluster: Cluster, source: Path, tmp_path: Path, small_bundle: Path) -> None:
    impatient = "from service.cluster import crew; crew._PATIENCE_S = 0"
    done = _batch(cluster, tmp_path, small_bundle, source, tmp_path / "out", before=impatient)
    assert (done.returncode, done.stdout) == (1, "")
    assert "is a CPU free in the cluster?" in done.stderr
    assert (tmp_path / "manifest.jsonl").read_bytes() == b""


def test_a_node_without_the_photos_gets_nothing_to_do(cluster: Cluster, tmp_path: Path, small_bundle: Path) -> None:
    here = "import fsspec; fsspec.filesystem('memory').pipe_file('/in/a.png', b'')"
    done = _batch(cluster, tmp_path, small_bundle, "memory://in", tmp_path / "out", before=here)
    assert (done.returncode, done.stdout) == (1, "")
    assert "the folder is not there, or empty" in done.stderr
    assert (tmp_path / "manifest.jsonl").read_bytes() == b""
