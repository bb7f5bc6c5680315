"""The manifests: valid against the schemas of several versions of Kubernetes, complete, confined."""

from typing import Any

import kubernetes_validate
import pytest

from service.api import openapi_document
from service.settings import Settings
from tests.deploy.manifests import KUBERNETES, ROOTS, pod_specs, rendered, whole_objects

_VERSIONS = ("1.30", "1.34")
_OBJECTS = list(whole_objects())
# A type of the Prometheus operator, not of Kubernetes.
_FOREIGN = "monitoring.coreos.com/v1"


def _find(kind: str) -> dict[str, Any]:
    (found,) = (one for _, one in _OBJECTS if one["kind"] == kind)
    return found


@pytest.mark.parametrize("version", _VERSIONS)
def test_objects_follow_the_schemas(version: str) -> None:
    for name, one in _OBJECTS:
        if one["apiVersion"] != _FOREIGN:
            kubernetes_validate.validate(one, version, strict=True)
            assert one["metadata"]["name"], name


@pytest.mark.parametrize("root", ROOTS)
def test_what_would_be_applied_follows_the_schemas(root: str) -> None:
    sent = rendered(root)
    for one in sent:
        assert one["metadata"]["namespace"] == "visard"
        if one["apiVersion"] != _FOREIGN:
            kubernetes_validate.validate(one, _VERSIONS[-1], strict=True)
    images = [box["image"] for one in sent for box in _containers(one)]
    assert images and all(image.startswith("registry.example/visard:") for image in images)


def _containers(one: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = one.get("spec", {}).get("template", {}).get("spec", {}).get("containers", [])
    return found


def test_every_file_is_listed_by_its_kustomization() -> None:
    for path in KUBERNETES.rglob("*.yaml"):
        if path.name not in ("kustomization.yaml", "adapter-values.yaml"):
            assert path.name in (path.parent / "kustomization.yaml").read_text(), path


def test_pods_are_confined() -> None:
    for pod in pod_specs():
        assert pod["securityContext"]["runAsNonRoot"] and pod["securityContext"]["runAsUser"] == 10001
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        for container in pod["containers"]:
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }


def test_probes_ask_for_what_the_service_answers() -> None:
    (container,) = _find("Deployment")["spec"]["template"]["spec"]["containers"]
    paths = {container[probe]["httpGet"]["path"] for probe in ("startupProbe", "livenessProbe", "readinessProbe")}
    assert paths == {"/livez", "/readyz"} and paths <= set(openapi_document()["paths"])


def test_a_pod_is_given_the_time_to_drain() -> None:
    data = _find("ConfigMap")["data"]
    drain = float(data["VISARD_DRAIN_DELAY"]) + float(data["VISARD_DRAIN_DEADLINE"])
    assert _find("Deployment")["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] > drain


def test_ports_fit_together() -> None:
    (container,) = _find("Deployment")["spec"]["template"]["spec"]["containers"]
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    assert ports["http"] == Settings.model_fields["port"].default
    assert str(ports["metrics"]) == _find("ConfigMap")["data"]["VISARD_METRICS_PORT"]
    assert {port["targetPort"] for port in _find("Service")["spec"]["ports"]} == set(ports)


def test_selectors_find_the_pods() -> None:
    labels = _find("Deployment")["spec"]["template"]["metadata"]["labels"]
    selectors = [
        _find("Deployment")["spec"]["selector"]["matchLabels"],
        _find("PodDisruptionBudget")["spec"]["selector"]["matchLabels"],
        _find("NetworkPolicy")["spec"]["podSelector"]["matchLabels"],
        _find("Service")["spec"]["selector"],
    ]
    assert all(selector == labels for selector in selectors)
    assert _find("Deployment")["spec"]["template"]["spec"]["serviceAccountName"] == "visard"
    assert _find("HorizontalPodAutoscaler")["spec"]["scaleTargetRef"]["name"] == _find("Deployment")["metadata"]["name"]
