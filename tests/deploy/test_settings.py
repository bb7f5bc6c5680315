"""Every variable the deployment files set is a setting."""

import re
from collections.abc import Iterator

import pytest

from tests.deploy.manifests import KUBERNETES, ROOT, SERVICES, compose_settings, final_stage, pod_specs, variables

# The page is tested to name all settings, secrets' files among them, and nothing else.
_NAMES = re.findall(r"^\| (.*?) \|", (ROOT / "docs" / "settings.md").read_text(), re.MULTILINE)
_KNOWN = set(re.findall(r"`(VISARD_\w+)`", " ".join(_NAMES)))


def _of_compose() -> Iterator[str]:
    return (variable for name in SERVICES for variable in compose_settings(name))


def _of_kubernetes() -> Iterator[str]:
    for path in KUBERNETES.rglob("settings.env"):
        yield from variables(path)
    for pod in pod_specs():
        for container in pod["containers"]:
            yield from (entry["name"] for entry in container["env"])


def _of_image() -> Iterator[str]:
    return iter(re.findall(r"VISARD_\w+(?==)", final_stage()))


@pytest.mark.parametrize("source", [_of_image, _of_compose, _of_kubernetes])
def test_variables_are_settings(source) -> None:
    set_there = {name for name in source() if name.startswith("VISARD_")}
    assert set_there
    assert set_there <= _KNOWN
