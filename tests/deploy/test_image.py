"""The image: its Dockerfile, what goes into it, what it runs."""

import fnmatch
import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

from service.cli import COMMANDS
from tests.deploy.manifests import COMPOSE, DOCKERFILE, ROOT, final_stage

_PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def test_hadolint_finds_nothing() -> None:
    linter = Path(sys.executable).with_name("hadolint")
    found = subprocess.run([linter, "--no-color", ROOT / "Dockerfile"], capture_output=True, text=True, check=False)
    assert (found.returncode, found.stdout) == (0, "")


def test_everything_copied_exists_and_is_sent_to_the_build() -> None:
    sent = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    copied = [
        name for line in re.findall(r"^COPY (?!--from)(.*) \S+$", DOCKERFILE, re.MULTILINE) for name in line.split()
    ]
    assert set(copied) == set(sent)
    assert all((ROOT / name).exists() for name in copied)


def test_what_the_wheel_is_made_of_is_sent_to_the_build() -> None:
    sent = (ROOT / ".dockerignore").read_text().split()
    named = [_PROJECT["readme"], *_PROJECT["license-files"]]
    assert all(any(fnmatch.fnmatch(name, one.removeprefix("!")) for one in sent if one != "*") for name in named)


def test_torch_is_the_version_that_visard_needs() -> None:
    (torch,) = (need for need in _PROJECT["dependencies"] if need.startswith("torch"))
    assert f" {torch}\n" in DOCKERFILE


def test_what_else_is_installed_can_be_chosen() -> None:
    extras = re.findall(r"^ARG EXTRAS=(\S+)$", DOCKERFILE, re.MULTILINE)
    assert extras == ["otel"] and {*extras, "ray"} <= set(_PROJECT["optional-dependencies"])
    assert '".[${EXTRAS}]"' in DOCKERFILE
    assert COMPOSE["services"]["secrets"]["build"]["args"]["EXTRAS"] == "${EXTRAS:-otel}"


def test_the_image_runs_a_command_of_visard() -> None:
    (program,) = json.loads(re.findall(r"^ENTRYPOINT (.*)$", final_stage(), re.MULTILINE)[0])
    (command,) = json.loads(re.findall(r"^CMD (.*)$", final_stage(), re.MULTILINE)[0])
    assert program in _PROJECT["scripts"]
    assert command in COMMANDS


def test_the_final_image_is_not_roots_and_has_no_tools_to_build_with() -> None:
    final = final_stage()
    assert re.search(r"^USER 10001:10001$", final, re.MULTILINE)
    (packages,) = re.findall(r"apt-get install -y --no-install-recommends ([^&]*)&&", final)
    assert packages.split() == ["libgl1", "libglib2.0-0"]
    assert "pip uninstall -y --root-user-action=ignore pip" in final
    assert "venv --without-pip" in DOCKERFILE
