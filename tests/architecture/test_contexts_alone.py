"""Each context starts without the code of any other being installed."""

from __future__ import annotations

import pytest
from django.conf import settings
from django.core.management import call_command

from ecommerce.topology import current
from tests.architecture.copies import python

START = """
import django

django.setup()
from django.apps import apps
from django.core.management import call_command

call_command("check", fail_level="WARNING")
import config.wsgi
from config.celery import app

app.loader.import_default_modules()
print(sorted(config.label for config in apps.get_app_configs() if config.name.startswith("contexts.")))
"""


@pytest.mark.parametrize("context", [context.name for context in settings.TOPOLOGY.contexts])
def test_a_process_with_one_context_starts(context: str) -> None:
    done = python(
        "-W", "error", "-c", START,
        root=settings.BASE_DIR, CONTEXTS=context, DJANGO_SETTINGS_MODULE="config.settings.test",
    )  # fmt: skip

    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == str([context])


@pytest.mark.django_db(databases=[context.alias for context in settings.TOPOLOGY.contexts])
def test_no_migration_is_missing() -> None:
    call_command("makemigrations", check_changes=True, dry_run=True)


def test_every_context_has_migrations() -> None:
    for context in current().contexts:
        assert list((settings.BASE_DIR / "contexts" / context.name / "migrations").glob("0001_*.py"))
