"""Backup and restore of the compose box, as docs/deploy.md describes them, with a Docker whose volumes are folders."""

import re
import shutil
import stat
import subprocess
from pathlib import Path

import pytest

from tests.deploy.manifests import COMPOSE, GUIDE, SERVICES

_NOT_NEEDED = {"grafana-data", "prometheus-data"}
_APART = {"vault-unseal"}
_NEEDED = set(COMPOSE["volumes"]) - _NOT_NEEDED - _APART
_DOCKER = """\
#!/bin/sh
[ "$1" = run ] || {{ echo "$*" >>asked; exit 0; }}
while [ "$1" != {image} ]; do
    case $1 in {project}_*) volume=${{1#{project}_}} ;; esac
    shift
done
shift
exec $(echo "$*" | sed "s#/volume#$BOX/${{volume%%:*}}#")
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where an operator stands; with ``docker``, and a box with a file in each volume, ``old``."""
    (tmp_path / "bin").mkdir()
    docker = tmp_path / "bin" / "docker"
    docker.write_text(_DOCKER.format(image=SERVICES["postgres"]["image"], project=COMPOSE["name"]))
    docker.chmod(0o755)
    for name in COMPOSE["volumes"]:
        volume = tmp_path / "old" / name / "below"
        volume.mkdir(parents=True)
        (volume / "file").write_text(name)
        (volume / "file").chmod(0o400)
        (tmp_path / "new" / name).mkdir(parents=True)
    return tmp_path


def _run(section: str, folder: Path, box: str) -> list[str]:
    """The first block of commands of a section; what it asked of Docker Compose."""
    found = re.search(rf"^### {section}\n.*?^```sh\n(.*?)^```", GUIDE, re.MULTILINE | re.DOTALL)
    assert found
    (folder / "asked").unlink(missing_ok=True)
    environment = {"PATH": f"{folder / 'bin'}:/usr/bin:/bin", "BOX": str(folder / box)}
    command = [shutil.which("bash") or "bash", "-euc", found[1]]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout + done.stderr == ""
    return (folder / "asked").read_text().splitlines()


def test_what_is_backed_up_comes_back_as_it_was(folder: Path) -> None:
    assert _run("Backup", folder, "old") == ["compose stop", "compose up --detach"]
    assert {path.stem for path in (folder / "backup").iterdir()} == _NEEDED
    assert stat.S_IMODE((folder / "backup").stat().st_mode) == 0o700
    asked = _run("Restore", folder, "new")
    assert (asked[0], asked[-2]) == ("compose create", "compose up --detach")
    restored = [path for path in (folder / "new").rglob("*") if path.is_file()]
    assert {path.read_text() for path in restored} == {path.parts[-3] for path in restored} == _NEEDED
    assert {stat.S_IMODE(path.stat().st_mode) for path in restored} == {0o400}


def test_a_volume_that_is_not_copied_is_named(folder: Path) -> None:
    shutil.rmtree(folder / "old" / "vault-data")
    with pytest.raises(AssertionError, match="vault-data is not backed up"):
        _run("Backup", folder, "old")


def test_the_page_says_what_every_volume_is_for() -> None:
    for volume in COMPOSE["volumes"]:
        assert f"`{volume}`" in GUIDE, volume


def test_what_the_page_reads_is_where_the_containers_have_it() -> None:
    assert "-f /docker-entrypoint-initdb.d/20-passwords.sql" in GUIDE
    mounts = SERVICES["postgres"]["volumes"]
    assert "./deploy/compose/passwords.sql:/docker-entrypoint-initdb.d/20-passwords.sql:ro" in mounts
    assert "vault-unseal:/unseal" in SERVICES["vault-bootstrap"]["volumes"]
