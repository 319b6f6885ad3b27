"""What a process of one service has: read in a process of its own, as an orchestrator would start it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from functools import cache
from typing import Any

from django.conf import settings

from config.services import Services

CONTEXTS = [context.name for context in settings.TOPOLOGY.contexts]
BACK_OFFICE = "back-office"
SCRIPT = """
import json

import django

django.setup()
from django.apps import apps
from django.conf import settings
from django.core.management import call_command
from django.db import connections, router
from django.db.migrations.loader import MigrationLoader
from django.urls import get_resolver
from django.urls.resolvers import URLResolver

import config.wsgi
from config.celery import app
from ecommerce.calls.providers import _providers
from ecommerce.inbox.registry import bindings, handlers
from ecommerce.saga.definition import registered

call_command("check", fail_level="WARNING", verbosity=0)
app.loader.import_default_modules()


def addresses(resolver, before=""):
    for each in resolver.url_patterns:
        pattern = before + str(each.pattern)
        if isinstance(each, URLResolver):
            yield from addresses(each, pattern)
        else:
            yield pattern


loader = MigrationLoader(None)
print(json.dumps({
    "apps": [config.name for config in apps.get_app_configs()],
    "databases": {
        alias: [each["NAME"], each["USER"], bool(each["ADMINISTRATOR"])]
        for alias, each in settings.DATABASES.items() if "SCHEMA" in each
    },
    "migrations": sorted({
        label for label, _ in loader.graph.nodes
        if any(router.allow_migrate(alias, label) for alias in settings.DATABASES if alias != "default")
    }),
    "addresses": sorted(addresses(get_resolver())),
    "handlers": sorted(handler.name for handler in handlers()),
    "queues": sorted(bindings()),
    "sagas": sorted(saga.type for saga in registered()),
    "providers": sorted(interface.__module__ for interface in _providers),
    "tasks": sorted(name for name in app.tasks if not name.startswith("celery.")),
    "consumed": sorted(app.amqp.queues.consume_from),
    "routes": {name: app.amqp.router.route({}, name)["queue"].name for name in app.tasks},
    "schedule": sorted(entry["task"] for entry in settings.CELERY_BEAT_SCHEDULE.values()),
    "service": settings.SERVICE_NAME,
    "signs_tokens": bool(settings.JWT_PRIVATE_KEY),
    "pays": bool(settings.SANDBOX_PSP_API_KEY),
}))
"""


@cache
def inventory(name: str) -> dict[str, Any]:
    """Return what the service of a context, or the back office, holds when it is started by configuration alone."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", SCRIPT], cwd=settings.BASE_DIR, env=services().environment_of(name),
        capture_output=True, text=True, timeout=100, check=False,
    )  # fmt: skip
    if done.returncode:
        raise AssertionError(f"{name} does not start: {done.stderr[-3000:]}")
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def services() -> Services:
    """Return an installation that is not there: nothing here reaches a database."""
    databases = {
        f"{context.upper()}_DATABASE_URL": f"postgresql://{context}_service@db.example:5432/{context}_db"
        for context in CONTEXTS
    }
    common = {
        "PATH": os.environ["PATH"],
        "DJANGO_SETTINGS_MODULE": "config.settings.development",
        "VAR_DIR": str(settings.VAR_DIR),
        "SECRET_KEY": "only-for-tests-" + 40 * "x",
        "BROKER_URL": "amqp://shop:pw@rabbit.example/shop",
        "DATABASE_URL": "postgresql://boss:pw@db.example:5432/postgres",
        "JWT_PRIVATE_KEY": settings.JWT_PRIVATE_KEY,
        "SANDBOX_PSP_API_KEY": "sk_sandbox_of_a_test",
        "SANDBOX_PSP_WEBHOOK_SECRET": "whsec_of_a_test",
        **databases,
    }
    return Services(settings.TOPOLOGY, common, settings.VAR_DIR)
