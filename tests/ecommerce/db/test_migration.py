from __future__ import annotations

from io import StringIO

import pytest
from django.contrib.auth.models import Permission
from django.core.management import call_command
from django.db import connections
from django.db.migrations import Migration
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.operations import RenameModel
from django.db.migrations.recorder import MigrationRecorder

from ecommerce.db.migration import missing_migrations, renames_models

CONTEXTS = {"identity", "catalog", "cart", "order", "promotion", "notification"}


def labels(alias: str) -> set[str]:
    return {label for label, _ in MigrationRecorder(connections[alias]).applied_migrations()}


@pytest.mark.django_db(databases=["cart"])
def test_a_context_is_migrated_with_the_platform_and_nothing_else() -> None:
    assert {"cart", "outbox", "inbox"} <= labels("cart")
    assert not labels("cart") & ((CONTEXTS - {"cart"}) | {"auth", "admin", "sessions", "account"})
    assert missing_migrations("cart") == []


@pytest.mark.django_db(databases=["identity"])
def test_the_accounts_know_the_permissions_of_every_context() -> None:
    assert set(Permission.objects.values_list("content_type__app_label", flat=True)) >= CONTEXTS


@pytest.mark.django_db(databases=["cart"])
def test_what_is_missing_is_listed_and_fails_the_check() -> None:
    recorder = MigrationRecorder(connections["cart"])
    app, name = max(row for row in recorder.applied_migrations() if row[0] == "cart")
    call_command("migrate", database="cart", check_unapplied=True, stdout=StringIO())

    recorder.record_unapplied(app, name)
    out = StringIO()
    with pytest.raises(SystemExit):
        call_command("migrate", database="cart", check_unapplied=True, stdout=out)

    assert out.getvalue().strip() == f"cart.{name}"


@pytest.mark.django_db(databases=["cart"])
def test_one_app_can_be_migrated_as_usual() -> None:
    out = StringIO()

    call_command("migrate", "outbox", database="cart", stdout=out)

    assert "No migrations to apply" in out.getvalue()


@pytest.mark.django_db(databases=["identity"])
def test_the_accounts_have_the_migrations_of_everybody_on_record() -> None:
    loader = MigrationLoader(connections["identity"])

    assert set(loader.graph.nodes) == set(loader.applied_migrations)
    tables = connections["identity"].introspection.table_names()
    assert "users" in tables
    assert "orders" not in tables


def test_only_a_plan_with_a_rename_is_left_to_django() -> None:
    rename = Migration("0002", "catalog")
    rename.operations = [RenameModel("Product", "Article")]

    assert renames_models([(rename, False)])
    assert not renames_models([(Migration("0001", "catalog"), False)])
