"""The deployment files, read once for all tests."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from service.weights.bundles import BUNDLED

ROOT = Path(__file__).parents[2]
KUBERNETES = ROOT / "deploy" / "kubernetes"
DOCKERFILE = (ROOT / "Dockerfile").read_text()
COMPOSE_FILE = ROOT / "docker-compose.yml"
COMPOSE: dict[str, Any] = yaml.safe_load(COMPOSE_FILE.read_text())
SERVICES: dict[str, Any] = COMPOSE["services"]
GUIDE = (ROOT / "docs" / "deploy.md").read_text()
ROOTS = ("overlays/production", "overlays/gpu", "migration")
"""What is applied to a cluster."""


def compose_settings(name: str) -> dict[str, str]:
    """The variables of a service, those of the files it is given among them."""
    service = SERVICES[name]
    given: dict[str, str] = {}
    for file in service.get("env_file", []):
        if isinstance(file, str):
            given |= variables(ROOT / file)
    return {**given, **service.get("environment", {})}


def whole_objects() -> Iterator[tuple[str, dict[str, Any]]]:
    """Every object that a file holds in full, with the file's name: neither patches nor kustomizations."""
    for folder in ("base", "migration", "components/monitoring", "components/ingress"):
        for name in kustomization(folder)["resources"]:
            for one in yaml.safe_load_all((KUBERNETES / folder / name).read_text()):
                yield f"{folder}/{name}", one


def kustomization(folder: str) -> dict[str, Any]:
    """What a folder is made into."""
    return yaml.safe_load((KUBERNETES / folder / "kustomization.yaml").read_text())


def kubernetes_settings(folder: str = "base") -> dict[str, str]:
    """The settings of a folder, as they are generated from its file."""
    return variables(KUBERNETES / folder / "settings.env")


def variables(file: Path) -> dict[str, str]:
    """Lines ``NAME=value``."""
    return dict(line.split("=", 1) for line in file.read_text().splitlines() if not line.startswith("#"))


def rendered(root: str, manifests: Path = KUBERNETES) -> list[dict[str, Any]]:
    """What ``kubectl apply -k`` would send."""
    command = [Path(sys.executable).with_name("kubectl"), "kustomize", manifests / root]
    return list(yaml.safe_load_all(subprocess.run(command, check=True, capture_output=True, text=True).stdout))


def examples() -> list[dict[str, Any]]:
    """What the guide shows of files that are an operator's own."""
    return [yaml.safe_load(block) for block in re.findall(r"^```yaml\n(.*?)^```", GUIDE, re.MULTILINE | re.DOTALL)]


def bundles_in_the_image() -> str:
    """Where the image has its weights."""
    (version,) = re.findall(r"^ARG PYTHON_IMAGE=python:([\d.]+)-", DOCKERFILE, re.MULTILINE)
    (environment,) = re.findall(r"^RUN python -m venv --without-pip (\S+)$", DOCKERFILE, re.MULTILINE)
    bundled = BUNDLED.relative_to(ROOT)
    return f"{environment}/lib/python{version}/site-packages/{bundled}"


def pod_specs() -> Iterator[dict[str, Any]]:
    """Of everything that runs."""
    for _, one in whole_objects():
        if "template" in one.get("spec", {}):
            yield one["spec"]["template"]["spec"]


def final_stage() -> str:
    """The Dockerfile from its last FROM on, continued lines joined, comments left out."""
    kept = "\n".join(line for line in DOCKERFILE.splitlines() if not line.startswith("#"))
    return re.sub(r"\\\n\s*", "", kept).rsplit("\nFROM ", 1)[1]
