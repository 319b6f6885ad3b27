"""Each context has the migrations of its models."""

from __future__ import annotations

import pytest
from django.conf import settings
from django.core.management import call_command

from ecommerce.topology import current


@pytest.mark.django_db(databases=[context.alias for context in settings.TOPOLOGY.contexts])
def test_no_migration_is_missing() -> None:
    call_command("makemigrations", check_changes=True, dry_run=True)


def test_every_context_has_migrations() -> None:
    for context in current().contexts:
        assert list((settings.BASE_DIR / "contexts" / context.name / "migrations").glob("0001_*.py"))
