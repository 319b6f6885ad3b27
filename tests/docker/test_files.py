"""The files of ``docker/`` by the schemas that others publish for them, and by what each must keep to."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate
import pytest
import yaml

from tests.docker.deployment import (
    COMPOSE,
    DOCKER,
    KUBERNETES,
    OURS,
    VARIABLE,
    compose,
    dockerfile,
    kustomizations,
    manifests,
    stage,
)

PROGRAMS = Path(sys.executable).parent
VERSION = "1.33"
"""Of Kubernetes."""
TEXT, NAMED = {"type": "string"}, {"type": "object", "required": ["name"]}
CUSTOM: dict[str, dict[str, Any]] = {
    "ScaledObject": {
        "properties": {
            "apiVersion": {"const": "keda.sh/v1alpha1"},
            "spec": {
                "required": ["scaleTargetRef", "triggers"],
                "properties": {
                    "scaleTargetRef": NAMED,
                    "minReplicaCount": {"type": "integer"},
                    "maxReplicaCount": {"type": "integer"},
                    "cooldownPeriod": {"type": "integer"},
                    "triggers": {
                        "type": "array",
                        "items": {
                            "required": ["type", "metadata"],
                            "properties": {
                                "type": {"enum": ["rabbitmq", "prometheus"]},
                                "metadata": {"additionalProperties": TEXT},
                            },
                        },
                    },
                },
                "additionalProperties": False,
            },
        }
    },
    "ExternalSecret": {
        "properties": {
            "apiVersion": {"const": "external-secrets.io/v1"},
            "spec": {
                "required": ["secretStoreRef", "target", "data"],
                "properties": {
                    "data": {
                        "items": {
                            "required": ["secretKey", "remoteRef"],
                            "properties": {"secretKey": TEXT, "remoteRef": {"required": ["key"]}},
                        }
                    }
                },
            },
        }
    },
}
"""The shape of resources that operators bring: no package carries their schemas."""


def faults(manifest: dict[str, Any]) -> str:
    """Return what is wrong with a resource, empty if nothing is."""
    try:
        if manifest["kind"] in CUSTOM:
            jsonschema.validate(manifest, CUSTOM[manifest["kind"]])
        else:
            kubernetes_validate.validate(manifest, VERSION, strict=True)
    except (jsonschema.ValidationError, kubernetes_validate.ValidationError) as error:
        return str(error)
    return ""


def linted(*command: str | Path) -> str:
    done = subprocess.run(
        [PROGRAMS / command[0], *command[1:]], capture_output=True, text=True, timeout=60, check=False
    )
    return (done.stdout + done.stderr) if done.returncode else ""


# --- published schemas -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", COMPOSE)
def test_compose_files_fit_the_specification(name: str) -> None:
    assert linted("check-jsonschema", "--builtin-schema", "vendor.compose-spec", DOCKER / name) == ""


def test_a_compose_file_that_does_not_fit_is_noticed(tmp_path: Path) -> None:
    file = tmp_path / "compose.yml"
    file.write_text("services: { web: { image: loja, helthcheck: {} } }")

    assert "helthcheck" in linted("check-jsonschema", "--builtin-schema", "vendor.compose-spec", file)


def test_the_dockerfile_keeps_to_good_practice() -> None:
    assert linted("hadolint", DOCKER / "Dockerfile") == ""


@pytest.mark.parametrize(
    "manifest",
    [pytest.param(each, id=f"{path.name}:{each['kind']}:{each['metadata']['name']}") for path, each in manifests()],
)
def test_manifests_fit_their_schemas(manifest: dict[str, Any]) -> None:
    assert faults(manifest) == ""


@pytest.mark.parametrize("shape", ["monolith", "services"])
def test_kustomize_puts_each_shape_together(shape: str) -> None:
    if not shutil.which("kubectl"):
        pytest.skip("kubectl is not installed; its parts are checked one by one")
    done = subprocess.run(["kubectl", "kustomize", KUBERNETES / shape], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr

    resources = list(yaml.safe_load_all(done.stdout))
    assert [wrong for each in resources if (wrong := faults(each))] == []
    assert {each["metadata"].get("namespace") for each in resources if each["kind"] != "Namespace"} - {None} == {
        *(each["metadata"]["name"] for each in resources if each["kind"] == "Namespace"),
        "loja-data",
    }


@pytest.mark.parametrize("path", kustomizations(), ids=lambda path: str(path.relative_to(KUBERNETES)))
def test_a_kustomization_names_what_is_there(path: Path) -> None:
    kustomization = yaml.safe_load(path.read_text())
    files = [name for each in kustomization.get("configMapGenerator", []) for name in each.get("envs", [])]

    for name in (*kustomization.get("resources", []), *kustomization.get("components", []), *files):
        assert (path.parent / name).exists(), name


# --- what each must keep to ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", COMPOSE)
def test_what_is_mounted_exists(name: str) -> None:
    for service in compose(name)["services"].values():
        for volume in service.get("volumes", []):
            source = volume["source"] if isinstance(volume, dict) else volume.partition(":")[0]
            known = (DOCKER / source).exists() if source.startswith(".") else source in compose(name)["volumes"]
            assert known, source


@pytest.mark.parametrize("name", COMPOSE)
def test_containers_of_ours_may_write_nowhere_and_have_no_privileges(name: str) -> None:
    for place, service in compose(name)["services"].items():
        if service["image"] in OURS:
            assert (service["read_only"], service["cap_drop"]) == (True, ["ALL"]), place
            assert "no-new-privileges:true" in service["security_opt"], place


def test_nobody_reaches_a_service_but_through_the_gateway() -> None:
    document = compose("compose.services.yml")
    published = {name for name, service in document["services"].items() if service.get("ports")}

    assert document["networks"]["inside"] == {"internal": True}
    assert published == {"kong", "rabbitmq", "grafana", "jaeger"}
    for name in published:
        for port in document["services"][name]["ports"]:
            assert port.startswith("127.0.0.1:"), name


@pytest.mark.parametrize("name", COMPOSE)
def test_jobs_end_before_anything_of_ours_starts(name: str) -> None:
    for place, service in compose(name)["services"].items():
        if service["image"] == "loja" and service["restart"] != "no":
            conditions = {one: after["condition"] for one, after in service["depends_on"].items()}
            jobs = {one: condition for one, condition in conditions.items() if "migrate" in one}
            assert jobs, place
            assert set(jobs.values()) == {"service_completed_successfully"}, place


@pytest.mark.parametrize("name", COMPOSE)
def test_every_container_is_limited(name: str) -> None:
    for place, service in compose(name)["services"].items():
        assert set(service["deploy"]["resources"]["limits"]) == {"cpus", "memory"}, place


def test_the_example_names_every_variable_of_the_compose_files() -> None:
    example = (DOCKER / "example.env").read_text()
    named = set(re.findall(r"^#? ?([A-Z_]+)=", example, flags=re.MULTILINE))
    used = {found.group(1) for name in COMPOSE for found in VARIABLE.finditer((DOCKER / name).read_text())}

    assert named == used


def test_the_example_holds_no_secret() -> None:
    for line in (DOCKER / "example.env").read_text().splitlines():
        variable, _, value = line.partition("=")
        if variable.endswith(("_KEY", "_PASSWORD", "_SECRET", "_KEYS")) and not variable.startswith("#"):
            assert value in ("", '""'), variable


def test_images_are_pinned_by_tag() -> None:
    images = {service["image"] for name in COMPOSE for service in compose(name)["services"].values()} - {*OURS}
    bases = {rest.partition(" AS ")[0] for instruction, rest in dockerfile() if instruction == "FROM"}

    for image in (*images, *(base for base in bases if ":" in base)):
        assert re.search(r":v?\d+\.\d+", image), image


def test_the_image_runs_as_nobody_and_builds_nothing() -> None:
    instructions = stage("application")

    assert [rest for instruction, rest in instructions if instruction == "USER"] == ["10001:10001"]
    assert not [rest for instruction, rest in instructions if instruction == "RUN" and re.search(r"\b(pip|apt)", rest)]
    assert not [rest for instruction, rest in instructions if instruction == "COPY" and "tests" in rest]


@pytest.mark.parametrize(
    "workload", [each for _, each in manifests() if each["kind"] in ("Deployment", "Job")], ids=str
)
def test_pods_are_restricted(workload: dict[str, Any]) -> None:
    spec = workload["spec"]["template"]["spec"]

    assert spec["securityContext"]["runAsNonRoot"]
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert spec["automountServiceAccountToken"] is False
    for container in [*spec.get("initContainers", []), *spec["containers"]]:
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert set(container["resources"]) == {"requests", "limits"}


def test_grafana_finds_its_dashboards_and_its_source() -> None:
    [provider] = yaml.safe_load((DOCKER / "grafana/provisioning/dashboards/loja.yml").read_text())["providers"]
    [source] = yaml.safe_load((DOCKER / "grafana/provisioning/datasources/prometheus.yml").read_text())["datasources"]

    assert list((DOCKER / "grafana" / "dashboards").glob("*.json"))
    for name in COMPOSE:
        services = compose(name)["services"]
        assert f"./grafana/dashboards:{provider['options']['path']}:ro" in services["grafana"]["volumes"]
        assert source["url"] == "http://prometheus:9090"
        assert "prometheus" in services


@pytest.mark.parametrize(
    ("kind", "broken"),
    [
        (
            "Deployment",
            {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "x"}, "spec": {"replica": 1}},
        ),
        ("ScaledObject", {"apiVersion": "keda.sh/v1alpha1", "kind": "ScaledObject", "spec": {"triggers": []}}),
        ("ExternalSecret", {"apiVersion": "v1", "kind": "ExternalSecret", "spec": {}}),
    ],
)
def test_a_manifest_that_does_not_fit_is_noticed(kind: str, broken: dict[str, Any]) -> None:
    assert broken["kind"] == kind
    assert faults(broken)
