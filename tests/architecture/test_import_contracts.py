"""Every contract of importlinter.ini bites: one violation of each kind is planted in a copy of the code."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.architecture.copies import append, copy_code

TIERS = "config may use contexts, contexts may use ecommerce, never upward"
DOORS = "Contexts meet only through interface.py and events.py"
RIVER = "Calls between contexts flow one way; events may flow both ways"
LAYERS = "Layers inside every context"
PLAIN = "interface.py and events.py are plain Python, whatever they import"
DOMAIN = "domain code imports no framework, even indirectly"
BROKER = "Only ecommerce.messaging may import kombu and amqp"
HTTP = "Only ecommerce.calls and context adapters may import an HTTP client"
STRIPE = "Only the adapters of order may import stripe"
TRACING = "Only ecommerce.observability may import OpenTelemetry"
TABLES = "Outbox, inbox and saga tables are private to their packages"
PLATFORM = "Layers inside ecommerce"
CYCLES = "No cycles between siblings"
TESTS_ONLY = "ecommerce.testing is for tests"

IN_A_FUNCTION = "def later():\n    import contexts.catalog.models\n"
FOR_TYPES = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from contexts.catalog.models import Product\n"
TO_EACH_OTHER = {"contexts.cart.domain.one": "import contexts.cart.domain.two", "contexts.cart.domain.two": ""}

VIOLATIONS: list[tuple[str, str, Mapping[str, str]]] = [
    ("models of another context", DOORS, {"contexts.order.queries": "import contexts.catalog.models"}),
    ("a name from them", DOORS, {"contexts.order.queries": "from contexts.catalog.models import Product"}),
    ("all names from them", DOORS, {"contexts.order.queries": "from contexts.catalog.models import *"}),
    ("the module from its package", DOORS, {"contexts.order.queries": "from contexts.catalog import models"}),
    ("another context itself", DOORS, {"contexts.order.queries": "from contexts import catalog"}),
    ("a use case of another context", DOORS, {"contexts.cart.usecases": "import contexts.promotion.usecases.redeem"}),
    ("views of another context", DOORS, {"contexts.cart.views": "import contexts.order.views"}),
    ("a provider of another context", DOORS, {"contexts.cart.usecases": "import contexts.catalog.provider"}),
    ("tasks of another context", DOORS, {"contexts.cart.handlers": "import contexts.notification.tasks"}),
    ("another context within a function", DOORS, {"contexts.order.queries": IN_A_FUNCTION}),
    ("another context for type checking", DOORS, {"contexts.order.queries": FOR_TYPES}),
    ("a call upwards", RIVER, {"contexts.order.usecases": "import contexts.notification.interface"}),
    ("a call up from the bottom", RIVER, {"contexts.catalog.usecases": "import contexts.cart.interface"}),
    ("a call upwards, out of an adapter", RIVER, {"contexts.promotion.queries": "import contexts.order.interface"}),
    ("a call sideways", RIVER, {"contexts.identity.usecases": "import contexts.catalog.interface"}),
    ("models that use use cases", LAYERS, {"contexts.cart.models": "import contexts.cart.usecases"}),
    ("use cases that use serializers", LAYERS, {"contexts.cart.usecases": "import contexts.cart.serializers"}),
    ("serializers that use views", LAYERS, {"contexts.cart.serializers": "import contexts.cart.views"}),
    ("views that use tasks", LAYERS, {"contexts.cart.views": "import contexts.cart.tasks"}),
    ("handlers that use tasks", LAYERS, {"contexts.cart.handlers": "import contexts.cart.tasks"}),
    ("queries that use adapters", LAYERS, {"contexts.identity.queries": "import contexts.identity.adapters"}),
    ("an interface that uses models", LAYERS, {"contexts.cart.interface": "import contexts.cart.models"}),
    ("an interface that uses events", LAYERS, {"contexts.cart.interface": "import contexts.cart.events"}),
    ("a stray module", LAYERS, {"contexts.cart.helpers": "SIZE = 1"}),
    ("a stray package", LAYERS, {"contexts.cart.services.prices": "SIZE = 1"}),
    ("an interface with Django in it", PLAIN, {"contexts.order.interface": "from django.db import models"}),
    ("events with REST framework in them", PLAIN, {"contexts.order.events": "import rest_framework"}),
    ("an interface on code with Django in it", PLAIN, {"contexts.order.interface": "import ecommerce.topology"}),
    ("a domain with Django in it", DOMAIN, {"contexts.promotion.domain": "import django"}),
    ("a domain on code with Django in it", DOMAIN, {"contexts.promotion.domain": "import ecommerce.unit_of_work"}),
    ("a leaf of the platform with Django in it", DOMAIN, {"ecommerce.money": "from django.conf import settings"}),
    ("kombu in a context", BROKER, {"contexts.notification.tasks": "import kombu"}),
    ("kombu in the outbox", BROKER, {"ecommerce.outbox.relay": "from kombu import Connection"}),
    ("amqp in the configuration", BROKER, {"config.status": "import amqp"}),
    ("httpx in a use case", HTTP, {"contexts.order.usecases": "import httpx"}),
    ("urllib3 in a use case", HTTP, {"contexts.order.usecases": "from urllib3 import PoolManager"}),
    ("requests in a view", HTTP, {"contexts.order.views": "import requests"}),
    ("httpx in the platform", HTTP, {"ecommerce.http.views": "import httpx"}),
    ("the tracer in a use case", TRACING, {"contexts.order.usecases": "import opentelemetry.trace"}),
    ("stripe in a use case", STRIPE, {"contexts.order.usecases": "def later():\n    import stripe\n"}),
    ("the platform on a context", TIERS, {"ecommerce.outbox.append": "import contexts.order.events"}),
    ("the platform on the configuration", TIERS, {"ecommerce.worker": "import config.celery"}),
    ("a context on the configuration", TIERS, {"contexts.cart.tasks": "from config.celery import app"}),
    ("outbox tables in a context", TABLES, {"contexts.order.queries": "import ecommerce.outbox.models"}),
    ("inbox tables in the configuration", TABLES, {"config.status": "import ecommerce.inbox.models"}),
    ("saga tables in a context", TABLES, {"contexts.order.usecases": "from ecommerce.saga import models"}),
    ("the relay in a context", TABLES, {"contexts.cart.tasks": "import ecommerce.outbox.relay"}),
    ("the database on the unit of work", PLATFORM, {"ecommerce.db.router": "import ecommerce.unit_of_work"}),
    ("a leaf of the platform on its codec", PLATFORM, {"ecommerce.clock": "import ecommerce.codec"}),
    ("the inbox on the outbox", PLATFORM, {"ecommerce.inbox.registry": "import ecommerce.outbox.append"}),
    ("a stray module of the platform", PLATFORM, {"ecommerce.utils": "SIZE = 1"}),
    ("a cycle in a context", CYCLES, {**TO_EACH_OTHER, "contexts.cart.domain.two": "import contexts.cart.domain.one"}),
    ("a cycle in the platform", CYCLES, {"ecommerce.db.embedded.location": "import ecommerce.db.embedded.server"}),
    ("test equipment in a context", TESTS_ONLY, {"contexts.cart.tasks": "from ecommerce import testing"}),
]


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of everything that import-linter looks at."""
    return copy_code(tmp_path_factory.mktemp("copy"))


@pytest.fixture
def plant(copy: Path) -> Iterator[Path]:
    """The copy, to be changed by one test; afterwards it is as before."""
    before = {path: path.read_text() for path in copy.rglob("*.py")}
    yield copy
    for path in copy.rglob("*.py"):
        if path not in before:
            path.unlink()
    for path, text in before.items():
        if not path.exists() or path.read_text() != text:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)


def lint(root: Path) -> subprocess.CompletedProcess[str]:
    command = [Path(sys.executable).parent / "lint-imports", "--config", "importlinter.ini", "--no-logo"]
    return subprocess.run([*command, "--cache-dir", ".cache"], cwd=root, capture_output=True, text=True)


def broken(report: str) -> set[str]:
    return set(re.findall(r"^(.+) BROKEN", report, re.MULTILINE))


def test_the_code_keeps_every_contract(copy: Path) -> None:
    done = lint(copy)

    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("contract", "files"), [pytest.param(contract, files, id=name) for name, contract, files in VIOLATIONS]
)
def test_a_violation_is_caught(plant: Path, contract: str, files: Mapping[str, str]) -> None:
    for module, text in files.items():
        append(plant, module, text)

    done = lint(plant)

    assert done.returncode == 1
    assert contract in broken(done.stdout), done.stdout


def test_every_contract_has_a_violation(copy: Path) -> None:
    names = re.findall(r"^name = (.+)$", (copy / "importlinter.ini").read_text(), re.MULTILINE)

    assert {contract for _, contract, _ in VIOLATIONS} == set(names)


def test_using_ones_own_models_in_views_and_anybodys_events_is_fine(plant: Path) -> None:
    append(plant, "contexts.cart.views", "import contexts.cart.models")
    append(plant, "contexts.catalog.handlers", "import contexts.notification.events")

    assert lint(plant).returncode == 0
