"""What is inside the wheel, and what is not."""

import configparser
import shutil
import subprocess
import sys
from email import message_from_bytes
from email.message import Message
from pathlib import Path
from zipfile import ZipFile

import pytest

import service

_ROOT = Path(service.__file__).parents[1]
_PACKAGES = ("service", "migrations")
_BUNDLE = [
    f"service/weights/bundled/another/{name}"
    for name in ("bundle.json", "README.md", "unet/config.json", "unet/diffusion_pytorch_model.safetensors")
]


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of what a wheel is made from, with one more weights bundle in it."""
    root = tmp_path_factory.mktemp("tree")
    for name in ("pyproject.toml", "README.md", "LICENSE", ".gitignore"):
        shutil.copy(_ROOT / name, root)
    for name in _PACKAGES:
        shutil.copytree(_ROOT / name, root / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in _BUNDLE:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"weights")
    return root


@pytest.fixture(scope="module")
def wheel(tree: Path) -> ZipFile:
    """The wheel of that tree."""
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", "dist"]
    subprocess.run(command, cwd=tree, check=True, capture_output=True)
    (path,) = (tree / "dist").glob("*.whl")
    return ZipFile(path)


@pytest.fixture(scope="module")
def metadata(wheel: ZipFile) -> Message:
    """The wheel's core metadata."""
    (name,) = (name for name in wheel.namelist() if name.endswith(".dist-info/METADATA"))
    return message_from_bytes(wheel.read(name))


def test_every_file_of_the_packages_ships(tree: Path, wheel: ZipFile) -> None:
    files = (path for name in _PACKAGES for path in (tree / name).rglob("*") if path.is_file())
    assert {path.relative_to(tree).as_posix() for path in files} <= set(wheel.namelist())


def test_migrations_and_weights_are_among_them(wheel: ZipFile) -> None:
    names = set(wheel.namelist())
    assert {"migrations/env.py", "migrations/script.py.mako", *_BUNDLE} <= names
    assert any(name.startswith("migrations/versions/") for name in names)


def test_nothing_else_ships(wheel: ZipFile) -> None:
    tops = {name.split("/", 1)[0] for name in wheel.namelist()}
    assert {top for top in tops if not top.endswith(".dist-info")} == set(_PACKAGES)


def test_the_command_starts_the_command_line(wheel: ZipFile) -> None:
    (name,) = (name for name in wheel.namelist() if name.endswith("entry_points.txt"))
    points = configparser.ConfigParser()
    points.read_string(wheel.read(name).decode())
    assert dict(points["console_scripts"]) == {"visard": "service.cli:main"}


def test_name_version_and_licence(wheel: ZipFile, metadata: Message) -> None:
    assert (metadata["Name"], metadata["Version"]) == ("visard", service.__version__)
    assert metadata["License-Expression"] == "Apache-2.0"
    assert any(name.endswith("licenses/LICENSE") for name in wheel.namelist())


def test_dependencies_are_bounded(metadata: Message) -> None:
    needed = [entry for entry in metadata.get_all("Requires-Dist", []) if "extra ==" not in entry]
    assert "torch==2.13.0" in needed
    for entry in needed:
        assert "==" in entry or (">=" in entry and "<" in entry), entry
