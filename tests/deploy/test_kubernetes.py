"""The manifests: valid against the schemas of several versions of Kubernetes, complete, confined."""

import re
import shutil
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from service.api import openapi_document
from service.engine.batch import MAX_BATCH
from service.metrics import Metrics
from service.settings import Settings
from tests.deploy.manifests import (
    GUIDE,
    KUBERNETES,
    ROOTS,
    bundles_in_the_image,
    examples,
    kubernetes_settings,
    pod_specs,
    rendered,
    whole_objects,
)
from tests.deploy.prometheus import SHIPPED
from tests.deploy.rules import OPERATORS, as_object

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
    assert _images(sent)


@pytest.mark.parametrize("root", ROOTS)
def test_registry_and_tag_are_set_in_one_file(root: str, tmp_path: Path) -> None:
    mine = shutil.copytree(KUBERNETES, tmp_path / "kubernetes")
    release = mine / "components/release/kustomization.yaml"
    text = release.read_text()
    for ours, theirs in (("registry.example/visard", "other.example:5000/team/faces"), ("0.1.0", "7.8.9")):
        text = text.replace(ours, theirs)
    release.write_text(text)
    tag = "7.8.9-cuda" if root == "overlays/gpu" else "7.8.9"
    assert _images(rendered(root, mine)) == {f"other.example:5000/team/faces:{tag}"}


def _images(sent: list[dict[str, Any]]) -> set[str]:
    return {box["image"] for pod in _pods(sent) for box in pod["containers"]}


def _pods(sent: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [one["spec"]["template"]["spec"] for one in sent if "template" in one.get("spec", {})]


@pytest.mark.parametrize("root", ROOTS)
def test_no_variable_of_a_service_is_taken_for_a_setting(root: str) -> None:
    """The Service `visard` would be told of as VISARD_PORT, VISARD_SERVICE_HOST and so on: unknown settings."""
    pods = _pods(rendered(root))
    assert pods and all(pod["enableServiceLinks"] is False for pod in pods)


@pytest.mark.parametrize("root", ["overlays/production", "overlays/gpu"])
def test_the_network_has_as_many_threads_as_processors_are_asked_for(root: str) -> None:
    ((container,),) = (pod["containers"] for pod in _pods(rendered(root)))
    threads = next(entry for entry in container["env"] if entry["name"] == "OMP_NUM_THREADS")
    assert threads["valueFrom"] == {"resourceFieldRef": {"resource": "requests.cpu"}}
    assert int(container["resources"]["requests"]["cpu"]) > 0


def test_gpu_pods_are_scaled_on_what_is_measured_and_grows_with_the_load() -> None:
    sent = rendered("overlays/gpu")
    (scaler,) = (one for one in sent if one["kind"] == "HorizontalPodAutoscaler")
    ((metric, target),) = ((one["pods"]["metric"]["name"], one["pods"]["target"]) for one in scaler["spec"]["metrics"])
    adapter = yaml.safe_load((KUBERNETES / "components/load/adapter-values.yaml").read_text())
    (rule,) = adapter["rules"]["custom"]
    assert rule["seriesQuery"].startswith(metric + "{")
    settings = _settings(sent)
    admitted = int(settings["VISARD_ADMITTED"])
    full = min(admitted, int(settings["VISARD_OPERATIONS"]), MAX_BATCH)
    metrics = Metrics("1", "digest")
    metrics.watch_places(lambda: full, admitted)
    # More replicas before requests wait for a thread.
    assert f"\n{metric} {float(full)}\n" in metrics.render().decode()
    assert 0 < float(target["averageValue"]) < full


@pytest.mark.parametrize("root", ["overlays/production", "overlays/gpu"])
def test_a_pod_holds_the_images_that_it_works_on(root: str) -> None:
    sent = rendered(root)
    settings = _settings(sent)
    ((container,),) = (pod["containers"] for pod in _pods(sent))
    gib = int(container["resources"]["limits"]["memory"].removesuffix("Gi"))
    images = int(settings["VISARD_OPERATIONS"]) * int(settings["VISARD_MAX_PIXELS"])
    assert gib * 2**30 > 2**30 + 30 * images


def _settings(sent: list[dict[str, Any]]) -> dict[str, str]:
    (data,) = (one["data"] for one in sent if one["kind"] == "ConfigMap")
    return data


def test_a_change_of_settings_replaces_the_pods(tmp_path: Path) -> None:
    mine = shutil.copytree(KUBERNETES, tmp_path / "kubernetes")
    before = rendered("overlays/production", mine)
    with (mine / "base/settings.env").open("a") as file:
        file.write("VISARD_MAX_FACES=7\n")
    after = rendered("overlays/production", mine)
    assert _settings(after) == {**_settings(before), "VISARD_MAX_FACES": "7"}
    assert _pods(after) != _pods(before)
    for sent in (before, after):
        (name,) = (one["metadata"]["name"] for one in sent if one["kind"] == "ConfigMap")
        assert _pods(sent)[0]["containers"][0]["envFrom"] == [{"configMapRef": {"name": name}}]


@pytest.mark.parametrize("root", ["overlays/production", "overlays/gpu"])
def test_prometheus_is_shown_the_service(root: str) -> None:
    """The Prometheus operator's schema is not at hand: every field is one of these, and finds what it names."""
    sent = rendered(root)
    (monitor,) = (one for one in sent if one["kind"] == "ServiceMonitor")
    (service,) = (one for one in sent if one["kind"] == "Service")
    assert (monitor["apiVersion"], set(monitor)) == (_FOREIGN, {"apiVersion", "kind", "metadata", "spec"})
    assert set(monitor["spec"]) == {"selector", "endpoints"}
    assert set(monitor["spec"]["selector"]) == {"matchLabels"}
    assert monitor["spec"]["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items()
    (endpoint,) = monitor["spec"]["endpoints"]
    assert set(endpoint) == {"port", "path", "interval"}
    assert endpoint["port"] in {port["name"] for port in service["spec"]["ports"]}
    assert endpoint["path"] == "/metrics" and re.fullmatch(r"\d+s", endpoint["interval"])


@pytest.mark.parametrize("root", ["overlays/production", "overlays/gpu"])
def test_prometheus_is_given_the_rules(root: str) -> None:
    assert OPERATORS.read_text() == as_object(), "python -m tests.deploy.rules writes them"
    (service,) = (one for one in rendered(root) if one["kind"] == "Service")
    (rule,) = (one for one in rendered(root) if one["kind"] == "PrometheusRule")
    assert (rule["apiVersion"], set(rule)) == (_FOREIGN, {"apiVersion", "kind", "metadata", "spec"})
    files = [yaml.safe_load(file.read_text()) for file in sorted(SHIPPED.glob("rules/*.yml"))]
    assert rule["spec"] == {"groups": [group for file in files for group in file["groups"]]}
    # The operator names the job after the Service, and the rules name it.
    jobs = set(re.findall(r'job="(\w+)"', OPERATORS.read_text()))
    assert jobs == {service["metadata"]["name"]}


def test_the_guide_prepares_the_vault_that_pods_ask() -> None:
    settings = kubernetes_settings()
    (command,) = re.findall(r"VISARD_\S+=[^`]*visard vault bootstrap --namespace[^`\n]*", GUIDE)
    for name in ("VISARD_VAULT_KV_MOUNT", "VISARD_AUDIT_SIGNER"):
        assert f"{name}={settings[name]} " in command.replace("\\\n", " ")


def test_an_ingress_lets_through_what_the_service_takes_and_writes_none_of_it_down(tmp_path: Path) -> None:
    mine = shutil.copytree(KUBERNETES, tmp_path / "kubernetes")
    overlay = mine / "overlays/production/kustomization.yaml"
    overlay.write_text(overlay.read_text().replace("components:\n", "components:\n  - ../../components/ingress\n"))
    sent = rendered("overlays/production", mine)
    (ingress,) = (one for one in sent if one["kind"] == "Ingress")
    kubernetes_validate.validate(ingress, _VERSIONS[-1], strict=True)
    assert ingress["metadata"]["namespace"] == "visard"
    prefix = "nginx.ingress.kubernetes.io/proxy-"
    said = {name.removeprefix(prefix): value for name, value in ingress["metadata"]["annotations"].items()}
    assert int(said.pop("body-size").removesuffix("m")) << 20 > Settings.model_fields["max_upload_bytes"].default
    settings = _settings(sent)
    assert int(said.pop("read-timeout")) == int(said.pop("send-timeout")) >= int(settings["VISARD_DRAIN_DEADLINE"])
    assert said == {"request-buffering": "off", "buffering": "off", "max-temp-file-size": "0"}
    assert settings["VISARD_TRUSTED_PROXIES"]
    ((rule,), (tls,)) = ingress["spec"]["rules"], ingress["spec"]["tls"]
    assert tls["hosts"] == [rule["host"]]
    (path,) = rule["http"]["paths"]
    (service,) = (one for one in sent if one["kind"] == "Service")
    assert path["backend"]["service"]["name"] == service["metadata"]["name"]
    assert path["backend"]["service"]["port"]["name"] in {port["name"] for port in service["spec"]["ports"]}
    assert any(known.startswith(f"{path['path']}/") for known in openapi_document()["paths"])


def test_a_proxy_of_ones_own_is_told_the_same() -> None:
    (block,) = re.findall(r"```nginx\n(.*?)```", GUIDE, re.DOTALL)
    (ingress,) = (one for _, one in _OBJECTS if one["kind"] == "Ingress")
    notes = ingress["metadata"]["annotations"]
    for directive, value in re.findall(r"^(\w+) (\S+);$", block, re.MULTILINE):
        name = directive.replace("client_max", "proxy").replace("_", "-")
        if directive != "proxy_http_version":
            assert notes[f"nginx.ingress.kubernetes.io/{name}"] == value.removesuffix("s")


def test_the_old_image_brings_its_weights(tmp_path: Path) -> None:
    mine = shutil.copytree(KUBERNETES, tmp_path / "kubernetes")
    (patch,) = (one for one in examples() if one.get("kind") == "Deployment")
    (mine / "overlays/production/weights.yaml").write_text(yaml.safe_dump(patch))
    with (mine / "overlays/production/kustomization.yaml").open("a") as file:
        file.write("patches:\n  - path: weights.yaml\n")
    sent = rendered("overlays/production", mine)
    (deployment,) = (one for one in sent if one["kind"] == "Deployment")
    kubernetes_validate.validate(deployment, _VERSIONS[-1], strict=True)
    pod = deployment["spec"]["template"]["spec"]
    ((bringer,), (container,)) = pod["initContainers"], pod["containers"]
    assert bringer["image"] == patch["spec"]["template"]["spec"]["initContainers"][0]["image"]
    assert bringer["securityContext"] == container["securityContext"]
    *_, source, target = bringer["command"]
    assert source == f"{bundles_in_the_image()}/."
    ours = {mount["name"]: mount for mount in container["volumeMounts"]}
    assert ours["weights"]["readOnly"] and {"name": "VISARD_WEIGHTS", "value": target} in container["env"]
    assert bringer["volumeMounts"] == [{"name": "weights", "mountPath": ours["weights"]["mountPath"]}]
    assert target == ours["weights"]["mountPath"]
    assert {"secrets", "home", "tmp"} < ours.keys() == {volume["name"] for volume in pod["volumes"]}


def test_every_file_is_listed_by_its_kustomization() -> None:
    for path in KUBERNETES.rglob("*.*"):
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


def test_the_rule_for_further_servers_is_one() -> None:
    text = (KUBERNETES / "base/network-policy.yaml").read_text()
    before, policy = yaml.safe_load(text), yaml.safe_load(re.sub(r"^    # (?=[- ])", "    ", text, flags=re.MULTILINE))
    assert len(policy["spec"]["egress"]) == len(before["spec"]["egress"]) + 1
    kubernetes_validate.validate(policy, _VERSIONS[-1], strict=True)


def test_probes_ask_for_what_the_service_answers() -> None:
    (container,) = _find("Deployment")["spec"]["template"]["spec"]["containers"]
    paths = {container[probe]["httpGet"]["path"] for probe in ("startupProbe", "livenessProbe", "readinessProbe")}
    assert paths == {"/livez", "/readyz"} and paths <= set(openapi_document()["paths"])


def test_a_pod_is_given_the_time_to_drain() -> None:
    data = kubernetes_settings()
    drain = float(data["VISARD_DRAIN_DELAY"]) + float(data["VISARD_DRAIN_DEADLINE"])
    assert _find("Deployment")["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] > drain


def test_ports_fit_together() -> None:
    (container,) = _find("Deployment")["spec"]["template"]["spec"]["containers"]
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    assert ports["http"] == Settings.model_fields["port"].default
    assert str(ports["metrics"]) == kubernetes_settings()["VISARD_METRICS_PORT"]
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
