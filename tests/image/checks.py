"""The image, built and started: `make image-check`; needs root, buildah and debootstrap, and some minutes.

PYTHON_IMAGE names a base image that can be had; otherwise a fresh Debian takes its place.
"""

import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from skimage.data import astronaut

from tests.image.base import make_base
from tests.image.buildah import Buildah
from tests.image.container import Container, started
from tests.image.packages import ROOT, download, index
from tests.waiting import until

_USER = 10001
_BUILDERS = ("gcc", "cc", "g++", "c++", "ld", "as", "make", "cmake", "git", "pip", "pip3", "curl", "wget")
_READY = "from urllib.request import urlopen; print(urlopen('http://127.0.0.1:8080/readyz').read().decode())"


@pytest.fixture(scope="session")
def folder() -> Iterator[Path]:
    """On a disk: layers are too large for a memory file system."""
    with tempfile.TemporaryDirectory(dir="/var/tmp", prefix="visard-image-") as made:
        yield Path(made)


@pytest.fixture(scope="session")
def buildah(folder: Path) -> Iterator[Buildah]:
    store = Buildah(folder / "store")
    yield store
    store("umount", "--all")


@pytest.fixture(scope="session")
def image(folder: Path, buildah: Buildah) -> str:
    """The Dockerfile's."""
    base = os.environ.get("PYTHON_IMAGE")
    if base is None:
        make_base(folder / "debian")
        base = buildah.imported(folder / "debian", "localhost/python:debian")
        shutil.rmtree(folder / "debian")
    download(folder / "wheels")
    with index(folder / "wheels") as url:
        return buildah.built(ROOT, "localhost/visard:check", PYTHON_IMAGE=base, TORCH_INDEX=url, PACKAGE_INDEX=url)


@pytest.fixture(scope="session")
def configuration(image: str, buildah: Buildah) -> dict[str, Any]:
    return buildah.configuration(image)


@pytest.fixture(scope="session")
def root(image: str, buildah: Buildah) -> Path:
    return buildah.mounted(image)


@pytest.fixture(scope="session")
def container(root: Path, configuration: dict[str, Any], folder: Path) -> Iterator[Container]:
    """The service, with small weights; its home holds a photo."""
    home = folder / "home"
    home.mkdir(mode=0o700)
    Image.fromarray(astronaut()[20:240, 120:320]).save(home / "photo.png")
    for path in (home, home / "photo.png"):
        os.chown(path, _USER, _USER)
    with started(root, configuration, home, VISARD_WEIGHTS="faces-64") as running:
        yield running


def test_there_is_nothing_to_build_or_to_fetch_with(root: Path) -> None:
    folders = [root / name for name in ("bin", "usr/bin", "usr/local/bin", "opt/visard/bin")]
    assert [name for name in _BUILDERS for folder in folders if (folder / name).exists()] == []
    assert [*root.glob("opt/visard/lib/python*/site-packages/pip")] == []
    installed = re.findall(r"^Package: (\S+)$", (root / "var/lib/dpkg/status").read_text(), re.MULTILINE)
    assert [name for name in installed if name == "build-essential" or name.endswith("-dev")] == []


def test_no_file_is_another_users_to_change(root: Path) -> None:
    ours = [path for path in (root / "opt/visard").rglob("*") if not path.is_symlink()]
    assert ours and all(path.stat().st_uid == 0 and not path.stat().st_mode & 0o022 for path in ours)


def test_every_part_of_the_service_is_ready(container: Container) -> None:
    # 503 while the weights are being loaded.
    until(lambda: container.run("python", "-c", _READY).returncode == 0, pause_s=1)
    parts = json.loads(container.run("python", "-c", _READY).stdout)
    assert parts == {"status": "ok", "parts": dict.fromkeys(("database", "keys", "engine", "weights", "signer"), "ok")}


def test_it_runs_as_nobody_who_may_do_anything(container: Container) -> None:
    status = Path(f"/proc/{container.first}/status").read_text().split("\n")
    said = dict(line.split(":\t", 1) for line in status if ":\t" in line)
    assert said["Uid"].split() == said["Gid"].split() == [str(_USER)] * 4
    assert {int(said[name], 16) for name in ("CapEff", "CapPrm", "CapBnd")} == {0}


def test_nothing_but_the_home_directory_can_be_written(container: Container) -> None:
    for place in ("/opt/visard/x", "/usr/local/x", "/etc/x", "/x"):
        assert container.run("touch", place).returncode != 0
    assert container.run("touch", "/var/lib/visard/x").returncode == 0


def test_a_photo_is_anonymized_and_recovered(container: Container) -> None:
    commands = (
        ("visard", "tenant", "create", "demo"),
        ("visard", "anonymize", "photo.png", "public.png"),
        ("visard", "recover", "public.png", "original.png", "--reason", "check"),
        ("visard", "audit", "verify"),
    )
    for command in commands:
        done = container.run(*command)
        assert done.returncode == 0, done.stdout + done.stderr
    same = "import numpy, PIL.Image as i; a, b = (numpy.asarray(i.open(f)) for f in ('photo.png', 'original.png'))"
    assert container.run("python", "-c", f"{same}; assert (a == b).all()").returncode == 0


def test_it_ends_when_it_is_told_to(root: Path, configuration: dict[str, Any], folder: Path) -> None:
    home = folder / "another-home"
    home.mkdir(mode=0o700)
    os.chown(home, _USER, _USER)
    with started(root, configuration, home, VISARD_WEIGHTS="faces-64", VISARD_DRAIN_DELAY="0") as running:
        assert running.stop() == 0
