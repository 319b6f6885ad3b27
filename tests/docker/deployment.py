"""What ``docker/`` runs: every process of ours in compose and Kubernetes, as its files describe it."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from django.conf import settings

DOCKER: Path = settings.BASE_DIR / "docker"
KUBERNETES = DOCKER / "kubernetes"
COMPOSE = ("compose.yml", "compose.services.yml")
OURS = ("loja", "loja-sandbox")
VARIABLE = re.compile(r"\$\{(\w+)(?::?([-?])([^}]*))?\}")
SECRET = "made-up"
Document = dict[str, Any]


@dataclass(frozen=True)
class Probe:
    path: str
    port: int


@dataclass(frozen=True)
class Process:
    """One container of ours."""

    place: str
    """The file or namespace, and the name there."""
    image: str
    command: Sequence[str]
    environment: Mapping[str, str]
    probes: Sequence[Probe] = ()
    ports: Sequence[int] = ()
    """That others are told it listens on."""

    @property
    def is_web(self) -> bool:
        return self.command[:1] == ["granian"]

    @property
    def is_worker(self) -> bool:
        return self.command[:1] == ["celery"] and "worker" in self.command

    @property
    def listens_on(self) -> int | None:
        """The port by its own configuration."""
        if self.is_web:
            return int(self.environment.get("GRANIAN_PORT", image_environment()["GRANIAN_PORT"]))
        return int(self.environment["WORKER_PORT"]) if self.is_worker else None


# --- the image -------------------------------------------------------------------------------------------------------


@cache
def dockerfile() -> list[tuple[str, str]]:
    """Return the instructions in order, continued lines joined."""
    text = re.sub(r"^#.*\n", "", (DOCKER / "Dockerfile").read_text(), flags=re.MULTILINE)
    lines = text.replace("\\\n", " ").splitlines()
    return [(name, rest.strip()) for name, _, rest in (line.partition(" ") for line in lines if line.strip())]


def stage(name: str) -> list[tuple[str, str]]:
    """Return the instructions of a stage and of those that it builds on."""
    found: list[tuple[str, str]] = []
    base, current = {}, ""
    stages: dict[str, list[tuple[str, str]]] = {}
    for instruction, rest in dockerfile():
        if instruction == "FROM":
            origin, _, current = rest.partition(" AS ")
            base[current] = origin
        stages.setdefault(current, []).append((instruction, rest))
    while name in stages:
        found = [*stages[name], *found]
        name = base[name]
    return found


def image_command(image: str) -> list[str]:
    name = "sandbox" if image == "loja-sandbox" else "application"
    command: list[str] = json.loads([rest for instruction, rest in stage(name) if instruction == "CMD"][-1])
    return command


@cache
def image_environment() -> dict[str, str]:
    lines = [rest for instruction, rest in stage("application") if instruction == "ENV"]
    return dict(part.split("=", 1) for line in lines for part in shlex.split(line))


# --- compose ---------------------------------------------------------------------------------------------------------


@cache
def compose(name: str) -> Document:
    document: Document = yaml.safe_load((DOCKER / name).read_text())
    return document


def filled(text: str) -> str:
    """Return a text of a compose file with the defaults of its variables, and something made up for those without."""
    return VARIABLE.sub(lambda found: found.group(3) or SECRET if found.group(2) == "-" else SECRET, text)


def compose_processes() -> Iterator[Process]:
    for file in COMPOSE:
        for name, service in compose(file)["services"].items():
            if service["image"] in OURS:
                yield compose_process(f"{file}:{name}", service)


def compose_process(place: str, service: Document) -> Process:
    test = " ".join(service.get("healthcheck", {}).get("test", []))
    probes = [Probe(path, int(port)) for port, path in re.findall(r"http://127\.0\.0\.1:(\d+)(/\w+)", test)]
    told = {name: filled(str(value)) for name, value in service.get("environment", {}).items()}
    command = [str(part) for part in service.get("command", image_command(service["image"]))]
    return Process(place, service["image"], command, told, probes)


# --- Kubernetes ------------------------------------------------------------------------------------------------------


def documents(path: Path) -> list[Document]:
    return [each for each in yaml.safe_load_all(path.read_text()) if each]


def manifests() -> Iterator[tuple[Path, Document]]:
    """Yield every resource with its file; what only kustomize reads is left out."""
    for path in sorted(KUBERNETES.rglob("*.yaml")):
        if path.name != "kustomization.yaml":
            yield from ((path, each) for each in documents(path))


def kustomizations() -> list[Path]:
    return sorted(KUBERNETES.rglob("kustomization.yaml"))


def groups() -> list[Path]:
    """Return the directory of every process group: those that put the base into a namespace."""
    return [path.parent for path in kustomizations() if "namespace" in yaml.safe_load(path.read_text())]


def namespace_of(group: Path) -> str:
    name: str = yaml.safe_load((group / "kustomization.yaml").read_text())["namespace"]
    return name


def configuration(directory: Path) -> dict[str, str]:
    """Return the ConfigMap of a directory: what it builds on, and its own lines over that."""
    file = directory / "kustomization.yaml"
    if not file.exists():
        return {}
    kustomization = yaml.safe_load(file.read_text())
    found: dict[str, str] = {}
    for resource in kustomization.get("resources", []):
        found |= configuration((directory / resource).resolve())
    for generator in kustomization.get("configMapGenerator", []):
        lines = [line for name in generator.get("envs", []) for line in (directory / name).read_text().splitlines()]
        pairs = [line for line in [*lines, *generator.get("literals", [])] if line and not line.startswith("#")]
        found |= dict(pair.split("=", 1) for pair in pairs)
    return found


@cache
def secrets() -> dict[tuple[str, str], list[str]]:
    """Return (namespace, name of the Secret) → names of the variables in it."""
    return {
        (each["metadata"]["namespace"], each["metadata"]["name"]): [
            entry["secretKey"] for entry in each["spec"]["data"]
        ]
        for each in documents(KUBERNETES / "secrets.example.yaml")
    }


def made_up(variable: str) -> str:
    """Return a value of the form that a secret variable has."""
    schemes = {"BROKER_URL": "amqp://broker", "EMAIL_URL": "dummymail://"}
    return schemes.get(variable, "postgresql://server/database" if variable.endswith("_URL") else SECRET)


def kubernetes_processes() -> Iterator[Process]:
    for group in groups():
        removed = "$patch: delete" in (group / "kustomization.yaml").read_text()
        for file in sorted((KUBERNETES / "base").glob("*.yaml")):
            if file.name == "kustomization.yaml" or (removed and file.name == "migrate.yaml"):
                continue
            yield from pod_processes(namespace_of(group), configuration(group), documents(file)[0])


def pod_processes(namespace: str, config: Mapping[str, str], workload: Document) -> Iterator[Process]:
    spec = workload["spec"]["template"]["spec"]
    for container in [*spec.get("initContainers", []), *spec["containers"]]:
        own = {each["name"]: each["value"] for each in container.get("env", [])}
        names = [each["secretRef"]["name"] for each in container["envFrom"] if "secretRef" in each]
        hidden = {name: made_up(name) for secret in names for name in secrets()[namespace, secret]}
        ports = {each["name"]: each["containerPort"] for each in container.get("ports", [])}
        yield Process(
            f"{namespace}:{workload['metadata']['name']}/{container['name']}",
            container["image"],
            [str(part) for part in container.get("command", image_command("loja"))],
            {**config, **hidden, **own},
            [
                Probe(get["path"], ports.get(get["port"], get["port"]))
                for name in ("startupProbe", "readinessProbe", "livenessProbe")
                if name in container
                for get in [container[name]["httpGet"]]
            ],
            list(ports.values()),
        )


def processes() -> list[Process]:
    return [*compose_processes(), *kubernetes_processes()]
