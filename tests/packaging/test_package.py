"""What is inside the wheel, and what is not."""

import configparser
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


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> ZipFile:
    """The wheel of the working tree."""
    directory = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(directory)]
    subprocess.run(command, cwd=_ROOT, check=True, capture_output=True)
    (path,) = directory.glob("*.whl")
    return ZipFile(path)


@pytest.fixture(scope="module")
def metadata(wheel: ZipFile) -> Message:
    """The wheel's core metadata."""
    (name,) = (name for name in wheel.namelist() if name.endswith(".dist-info/METADATA"))
    return message_from_bytes(wheel.read(name))


def _files_of(package: str) -> set[str]:
    found = (path for path in (_ROOT / package).rglob("*") if path.is_file())
    return {path.relative_to(_ROOT).as_posix() for path in found if "__pycache__" not in path.parts}


@pytest.mark.parametrize("package", _PACKAGES)
def test_every_file_of_the_packages_ships(wheel: ZipFile, package: str) -> None:
    assert _files_of(package) <= set(wheel.namelist())


def test_migrations_and_weights_are_among_them(wheel: ZipFile) -> None:
    names = set(wheel.namelist())
    assert "migrations/script.py.mako" in names
    assert any(name.startswith("migrations/versions/") for name in names)
    bundles = {name.rsplit("/", 1)[0] for name in names if name.startswith("service/weights/bundled/")}
    for bundle in (name for name in bundles if not name.endswith("/unet")):
        assert f"{bundle}/bundle.json" in names
        assert f"{bundle}/unet/diffusion_pytorch_model.safetensors" in names


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
