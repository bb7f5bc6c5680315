"""A Ray cluster of two replicas, and this process as its client."""

import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from service.cluster.connection import Access, connect
from service.engine.observer import NOBODY
from service.weights.bundles import Bundles
from tests.cluster.ray_cluster import Cluster, ray_cluster

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with ray_cluster(processors=4) as made:
        yield made


@pytest.fixture(scope="module")
def deployed(cluster: Cluster, small_bundle: Path) -> Cluster:
    """With two replicas of the engine."""
    two = ("--min", "2", "--max", "2")
    done = visard(cluster, "ray", "deploy", *two, VISARD_ENGINE="ray", VISARD_WEIGHTS=small_bundle)
    assert (done.returncode, done.stderr) == (0, "")
    return cluster


@pytest.fixture(scope="module")
def joined(deployed: Cluster) -> Iterator[Cluster]:
    """This process is a client of it."""
    before = dict(os.environ)
    with closing(connect(Access(deployed.address, deployed.token))):
        yield deployed
    for name in set(os.environ) - set(before):
        del os.environ[name]


@pytest.fixture
def bundles(small_bundle: Path) -> Bundles:
    return Bundles.open(small_bundle)


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(40) as made:
        yield made


@pytest.fixture
def room(joined: Cluster, pool: ThreadPoolExecutor) -> Iterator[Any]:
    """Closed at the end, which frees whoever waits in the pool."""
    from service.cluster.room import RayRoom

    made = RayRoom(queue_limit=32, observer=NOBODY, disconnect=lambda: None)
    yield made
    made.close(0.1)


def visard(cluster: Cluster, *arguments: object, token: str | None = None, **settings: object):
    """Run the command line, as a user of the cluster."""
    environment = cluster.environment(token) | {name: str(value) for name, value in settings.items()}
    command = [sys.executable, "-m", "service", *map(str, arguments)]
    return subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, check=False)
