"""The compose file: valid, complete, confined."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from service.cli import COMMANDS
from service.settings import Settings
from tests.deploy.manifests import (
    COMPOSE,
    COMPOSE_FILE,
    GUIDE,
    ROOT,
    SERVICES,
    bundles_in_the_image,
    compose_settings,
    examples,
)

_OWN = [name for name, service in SERVICES.items() if service["image"] == SERVICES["visard"]["image"]]


def _follows_the_specification(file: Path) -> None:
    checker = Path(sys.executable).with_name("check-jsonschema")
    command = [checker, "--builtin-schema", "vendor.compose-spec", file]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stdout


def test_it_follows_the_compose_specification() -> None:
    _follows_the_specification(COMPOSE_FILE)


def test_so_do_the_overrides_that_the_guide_shows(tmp_path: Path) -> None:
    overrides = [example for example in examples() if "services" in example]
    assert len(overrides) == 2
    for override in overrides:
        assert override["services"].keys() <= SERVICES.keys()
        (tmp_path / "override.yml").write_text(yaml.safe_dump(override))
        _follows_the_specification(tmp_path / "override.yml")


def test_older_weights_are_mounted_where_they_are_looked_for() -> None:
    (mine,) = (one["services"]["visard"] for one in examples() if "VISARD_WEIGHTS" in str(one.get("services")))
    (mount,) = mine["volumes"]
    outside, inside, mode = mount.split(":")
    assert (inside, mode) == (mine["environment"]["VISARD_WEIGHTS"], "ro")
    assert f"docker cp before:{bundles_in_the_image()}/. {outside.removeprefix('./')}\n" in GUIDE


def test_the_image_is_built_once_before_all_that_run_it_and_never_pulled() -> None:
    (builder,) = (name for name, service in SERVICES.items() if "build" in service)
    assert builder in _OWN
    for name in _OWN:
        assert SERVICES[name]["pull_policy"] == "never"
        assert builder in {name, *_waited_for(name)}


def _waited_for(name: str) -> set[str]:
    others = SERVICES[name].get("depends_on", {})
    return {*others}.union(*map(_waited_for, others))


@pytest.mark.parametrize("name", SERVICES)
def test_everything_mounted_exists(name: str) -> None:
    for mount in SERVICES[name].get("volumes", []):
        source = mount.split(":")[0]
        assert (ROOT / source).exists() if source.startswith(".") else source in COMPOSE["volumes"], mount


@pytest.mark.parametrize("name", SERVICES)
def test_nothing_of_the_repository_can_be_written(name: str) -> None:
    mounts = [mount for mount in SERVICES[name].get("volumes", []) if mount.startswith(".")]
    assert all(mount.endswith(":ro") for mount in mounts)


@pytest.mark.parametrize("name", SERVICES)
def test_what_a_service_waits_for_can_happen(name: str) -> None:
    for other, what in SERVICES[name].get("depends_on", {}).items():
        healthy = what["condition"] == "service_healthy"
        assert "test" in SERVICES[other].get("healthcheck", {}) if healthy else "restart" not in SERVICES[other]


@pytest.mark.parametrize("name", SERVICES)
def test_no_container_gains_rights(name: str) -> None:
    service = SERVICES[name]
    assert "privileged" not in service
    assert service["security_opt"] == ["no-new-privileges:true"]
    # PostgreSQL's image starts as root, prepares its directory and steps down.
    if name != "postgres":
        assert service["cap_drop"] == ["ALL"] and service["read_only"]
        assert service.get("cap_add", []) in ([], ["CHOWN"])


@pytest.mark.parametrize("name", SERVICES)
def test_ports_are_open_to_this_machine_alone(name: str) -> None:
    assert all(port.startswith("127.0.0.1:") for port in SERVICES[name].get("ports", []))


def test_the_service_is_given_the_time_to_drain() -> None:
    settings = {"VISARD_DRAIN_DELAY": Settings.model_fields["drain_delay"].default, **compose_settings("visard")}
    drain = float(settings["VISARD_DRAIN_DELAY"]) + float(settings["VISARD_DRAIN_DEADLINE"])
    assert int(SERVICES["visard"]["stop_grace_period"].removesuffix("s")) > drain


def test_what_asks_for_its_health_knows_its_port() -> None:
    assert f":{compose_settings('visard')['VISARD_PORT']}/readyz" in SERVICES["visard"]["healthcheck"]["test"][-1]


@pytest.mark.parametrize("name", _OWN)
def test_commands_exist(name: str) -> None:
    assert all(word in COMMANDS for word in SERVICES[name].get("command", [])[:1])


def test_only_the_service_itself_is_reached_from_outside_its_networks() -> None:
    assert COMPOSE["networks"]["database"] == COMPOSE["networks"]["keys"] == {"internal": True}
    assert [name for name, service in SERVICES.items() if {"front", "keys"} <= set(service.get("networks", []))] == [
        "visard"
    ]


def test_every_role_sees_its_own_secrets_alone() -> None:
    seen = {
        name: {mount.split(":")[0] for mount in service.get("volumes", []) if "-secrets:" in mount}
        for name, service in SERVICES.items()
        if name != "secrets"
    }
    assert {name: secrets for name, secrets in seen.items() if secrets} == {
        "postgres": {"postgres-secrets"},
        "migrate": {"owner-secrets"},
        "grants": {"owner-secrets"},
        "vault": {"vault-secrets"},
        # Vault's certificate; its key is readable by Vault's user alone.
        "vault-bootstrap": {"vault-secrets", "service-secrets", "operator-secrets"},
        "tenant": {"operator-secrets"},
        "visard": {"service-secrets"},
        "grafana": {"grafana-secrets"},
    }
    writable = {
        name
        for name, service in SERVICES.items()
        if any("-secrets:" in mount and not mount.endswith(":ro") for mount in service.get("volumes", []))
    }
    assert writable == {"secrets", "vault-bootstrap"}


def test_vault_is_a_server_with_its_data_in_files() -> None:
    assert SERVICES["vault"]["command"] == ["server", "-config=/deploy/vault.hcl"]
    configuration = (ROOT / "deploy/compose/vault.hcl").read_text()
    assert 'storage "file"' in configuration and "tls_disable" not in configuration


def test_images_are_of_a_named_version() -> None:
    foreign = [service["image"] for name, service in SERVICES.items() if name not in _OWN]
    assert all(re.search(r":v?\d+\.\d+", image) for image in foreign)
