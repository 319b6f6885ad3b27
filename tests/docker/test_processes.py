"""Every process that ``docker/`` runs fits the code: its command, its environment, its probes, its ports."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml
from django.test import Client

from config.routes import BACK_OFFICE, BACK_OFFICE_PORT
from ecommerce.http.keys import public_pem
from ecommerce.topology import current
from tests.docker.checks import port_of_the_image, unknown_variables, wrong_commands, wrong_ports, wrong_probes
from tests.docker.deployment import (
    DOCKER,
    KUBERNETES,
    Probe,
    Process,
    compose,
    dockerfile,
    documents,
    processes,
    secrets,
)
from tests.production_check import private_key, start

PROCESSES = processes()
PORTS = {context.name: context.port for context in current().contexts} | {BACK_OFFICE: BACK_OFFICE_PORT}
WEB = Process(
    "planted", "loja", ["granian", "config.wsgi:application"], {"GRANIAN_PORT": "3002"}, [Probe("/live", 3002)]
)
KEY = private_key()
each_process = pytest.mark.parametrize("process", PROCESSES, ids=lambda process: process.place)


def test_every_role_is_found_in_each_shape() -> None:
    for shape in ("compose.yml", "compose.services.yml", "loja-shop", "loja-cart", "loja-back-office"):
        those = [process for process in PROCESSES if process.place.startswith(f"{shape}:")]
        assert any(process.is_web for process in those), shape
        assert any(process.is_worker for process in those), shape


@each_process
def test_the_command_exists(process: Process) -> None:
    assert wrong_commands(process) == []


@each_process
def test_every_variable_is_read(process: Process) -> None:
    assert unknown_variables(process) == []


@each_process
def test_probes_find_what_they_ask_for(process: Process) -> None:
    assert wrong_probes(process) == []


@each_process
def test_it_listens_where_it_says(process: Process) -> None:
    assert wrong_ports(process) == []


@pytest.mark.parametrize("process", [each for each in PROCESSES if each.is_worker], ids=lambda process: process.place)
def test_a_worker_is_watched(process: Process) -> None:
    assert process.probes


def started(process: Process) -> str:
    """Return what the production settings say of the environment of a process, empty when they start."""
    keys = {"JWT_PRIVATE_KEY": KEY, "JWT_PUBLIC_KEYS": public_pem(KEY)}
    given = {name: keys.get(name, value) if value else "" for name, value in process.environment.items()}
    done = start(given, "-c", "import config.settings.production")
    return done.stderr.strip().rpartition("\n")[2] if done.returncode else ""


def distinct() -> list[Process]:
    """Return one process of the application for each environment, whatever its port."""
    found = {}
    for process in PROCESSES:
        told = {
            name: value for name, value in process.environment.items() if not name.endswith(("_PORT", "STRATOR_URL"))
        }
        if process.image == "loja":
            found.setdefault(str(sorted(told.items())), process)
    return list(found.values())


@pytest.mark.parametrize("process", distinct(), ids=lambda process: process.place)
def test_the_production_settings_start(process: Process) -> None:
    assert started(process) == ""


# --- each check notices ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("check", "process", "said"),
    [
        (wrong_commands, replace(WEB, command=["granian", "--no-such-option", "config.wsgi:application"]), "no-such"),
        (wrong_commands, replace(WEB, command=["granian", "config.wsgi:app"]), "config.wsgi:app"),
        (wrong_commands, replace(WEB, command=["celery", "--app", "config", "works"]), "no such command"),
        (wrong_commands, replace(WEB, command=["celery", "--app", "config", "beat", "--plan", "x"]), "--plan"),
        (wrong_commands, replace(WEB, command=["sh", "-c", "python manage.py migrate_everything"]), "no such command"),
        (wrong_commands, replace(WEB, command=["python", "manage.py", "dbwait", "--migrate-all"]), "--migrate-all"),
        (wrong_commands, replace(WEB, command=["gunicorn", "config.wsgi"]), "nobody knows"),
        (unknown_variables, replace(WEB, environment={"CATALOGUE_URL": "x"}), "CATALOGUE_URL"),
        (unknown_variables, replace(WEB, environment={"CATALOGUE_DATABASE_URL": "x"}), "CATALOGUE_DATABASE_URL"),
        (unknown_variables, replace(WEB, environment={"GRANIAN_THREADS": "1"}), "GRANIAN_THREADS"),
        (wrong_probes, replace(WEB, probes=[Probe("/healthz", 3002)]), "nobody"),
        (wrong_probes, replace(WEB, probes=[Probe("/api/docs/", 3002)]), "/api/docs/"),
        (wrong_probes, replace(WEB, probes=[Probe("/live", 3003)]), "3003"),
        (wrong_ports, replace(WEB, ports=[3003]), "3003"),
    ],
)
def test_a_mistake_is_noticed(check: Callable[[Process], list[str]], process: Process, said: str) -> None:
    [wrong] = check(process)

    assert said in wrong


@pytest.mark.parametrize("variable", ["SECRET_KEY", "CATALOG_DATABASE_URL", "JWT_PUBLIC_KEYS", "SERVICE_KEYS_DIR"])
def test_a_missing_variable_is_noticed(variable: str) -> None:
    [process] = [each for each in PROCESSES if each.place == "compose.services.yml:catalog"]
    less = {name: value for name, value in process.environment.items() if name != variable}

    assert variable in started(replace(process, environment=less))


# --- addresses -------------------------------------------------------------------------------------------------------


def test_services_listen_on_the_ports_of_the_topology() -> None:
    listening = {
        process.place.partition(":")[2]: process.listens_on
        for process in PROCESSES
        if process.place.startswith("compose.services.yml:") and process.is_web
    }

    assert listening == PORTS


def test_the_image_announces_its_port() -> None:
    assert ("EXPOSE", str(port_of_the_image())) in dockerfile()


@pytest.mark.parametrize("process", [each for each in PROCESSES if "CATALOG_URL" in each.environment], ids=str)
def test_neighbours_are_where_the_environment_says(process: Process) -> None:
    for context in current().contexts:
        url = urlsplit(process.environment[f"{context.name.upper()}_URL"])
        if process.place.startswith("compose"):
            assert (url.hostname, url.port) == (context.name, context.port)
        else:
            assert (url.hostname, url.port) == (f"web.loja-{context.name}", None)


def test_kong_leads_to_services_that_exist() -> None:
    [configuration] = documents(DOCKER / "kong" / "kong.yml")
    services = compose("compose.services.yml")["services"]

    for service in configuration["services"]:
        url = urlsplit(service["url"])
        assert url.hostname in services
        assert url.port == PORTS[url.hostname]


@pytest.mark.parametrize("path", ["/live", "/ready"])
@pytest.mark.django_db(databases=[context.name for context in current().contexts])
def test_a_probe_needs_neither_our_host_name_nor_tls(path: str, settings: Any) -> None:
    settings.ALLOWED_HOSTS = ["loja.example"]
    settings.SECURE_SSL_REDIRECT = True

    assert Client(headers={"Host": "10.1.2.3:8000"}).get(path).status_code == 200


def test_prometheus_asks_processes_that_exist_where_they_listen() -> None:
    listening = {
        (process.place.partition(":")[0], process.place.partition(":")[2]): process.listens_on for process in PROCESSES
    }
    for shape, file in (("compose.yml", "prometheus.yml"), ("compose.services.yml", "prometheus.services.yml")):
        configuration = yaml.safe_load((DOCKER / "prometheus" / file).read_text())
        for job in configuration["scrape_configs"]:
            for target in job["dns_sd_configs"]:
                for name in target["names"]:
                    assert listening[shape, name] == target["port"]


def test_secrets_go_to_who_needs_them() -> None:
    assert "JWT_PRIVATE_KEY" in secrets()["loja-identity", "secrets"]
    for (namespace, name), variables in secrets().items():
        if namespace not in ("loja-identity", "loja-shop"):
            assert "JWT_PRIVATE_KEY" not in variables
        if name == "secrets":
            assert not [variable for variable in variables if variable.endswith("ADMINISTRATOR_URL")]
        own = namespace.removeprefix("loja-").upper()
        if own not in ("SHOP", "BACK-OFFICE"):
            databases = {
                variable for variable in variables if variable.endswith(("_DATABASE_URL", "_ADMINISTRATOR_URL"))
            }
            assert {re.sub(r"_(DATABASE|ADMINISTRATOR)_URL", "", each) for each in databases} == {own}


def test_no_secret_has_a_value_here() -> None:
    for path in KUBERNETES.rglob("*.yaml"):
        assert "Secret" not in {document["kind"] for document in documents(path) if "kind" in document}
