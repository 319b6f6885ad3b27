"""PostgreSQL itself keeps the contexts apart: each role owns one schema and may enter no other."""

from __future__ import annotations

from itertools import permutations

import pytest
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import ProgrammingError, connection, connections, transaction
from django.db.backends.utils import CursorWrapper
from psycopg import sql
from psycopg.errors import InsufficientPrivilege

from ecommerce.topology import current

NAMES = [context.name for context in settings.TOPOLOGY.contexts]
PAIRS = list(permutations(NAMES, 2))

TABLES = "SELECT tablename FROM pg_tables WHERE schemaname = %s ORDER BY tablename"
RIGHTS = """
    SELECT n.nspname || '.' || c.relname
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p', 'v', 'm') AND n.nspname = ANY(%s)
      AND has_table_privilege(current_user, c.oid, 'SELECT, INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES')
"""


def refuse(cursor: CursorWrapper, statement: sql.Composable, reason: str) -> None:
    """Run a statement that PostgreSQL must refuse for lack of a right, and for ``reason``."""
    with pytest.raises(ProgrammingError, match=reason) as refusal, transaction.atomic(using=cursor.db.alias):
        cursor.execute(statement)
    assert isinstance(refusal.value.__cause__, InsufficientPrivilege)


@pytest.mark.django_db(databases=NAMES)
@pytest.mark.parametrize(("reader", "owner"), PAIRS, ids=[f"{reader}-{owner}" for reader, owner in PAIRS])
def test_a_role_reads_no_table_of_another_context(reader: str, owner: str) -> None:
    schema = current()[owner].schema
    with connections[reader].cursor() as cursor:
        cursor.execute(TABLES, [schema])
        tables = [name for (name,) in cursor.fetchall()]
        assert {"outbox_event", "inbox_message", "django_migrations"} < set(tables)
        for table in tables:
            select = sql.SQL("SELECT 1 FROM {} LIMIT 1").format(sql.Identifier(schema, table))
            refuse(cursor, select, f"permission denied for schema {schema}")


@pytest.mark.django_db(databases=["cart"])
def test_carts_cannot_be_joined_with_products() -> None:
    join = sql.SQL("SELECT * FROM carts CROSS JOIN catalog_service.products")

    with connections["cart"].cursor() as cursor:
        cursor.execute("SELECT current_user")
        assert cursor.fetchone() == ("cart_service",)
        refuse(cursor, join, "permission denied for schema catalog_service")


@pytest.mark.django_db(databases=NAMES)
@pytest.mark.parametrize("name", NAMES)
def test_a_role_holds_no_right_on_any_foreign_table(name: str) -> None:
    """Not even one that would count as soon as somebody opened the schema."""
    others = [context.schema for context in current().contexts if context.name != name]
    with connections[name].cursor() as cursor:
        cursor.execute(RIGHTS, [others])
        assert cursor.fetchall() == []
        cursor.execute(RIGHTS, [[current()[name].schema]])
        assert cursor.fetchall()


@pytest.mark.django_db(databases=NAMES)
@pytest.mark.parametrize("name", NAMES)
def test_a_role_makes_nothing_outside_its_schema(name: str) -> None:
    with connections[name].cursor() as cursor:
        for schema in ("public", "ext", *(context.schema for context in current().contexts if context.name != name)):
            create = sql.SQL("CREATE TABLE {} (id int)").format(sql.Identifier(schema, "stray"))
            refuse(cursor, create, f"permission denied for schema {schema}")
        refuse(cursor, sql.SQL("CREATE SCHEMA stray"), "permission denied for database")


@pytest.mark.django_db(databases=NAMES)
@pytest.mark.parametrize(("one", "other"), PAIRS, ids=[f"{one}-{other}" for one, other in PAIRS])
def test_a_role_does_not_become_another(one: str, other: str) -> None:
    role = sql.Identifier(current()[other].role)
    with connections[one].cursor() as cursor:
        refuse(cursor, sql.SQL("SET LOCAL ROLE {}").format(role), "permission denied to set role")


def test_a_transaction_that_names_no_database_fails_at_once() -> None:
    with pytest.raises(ImproperlyConfigured), transaction.atomic():
        pytest.fail("a transaction was opened")


def test_a_cursor_that_names_no_database_fails_at_once() -> None:
    with pytest.raises(ImproperlyConfigured), connection.cursor():
        pytest.fail("a cursor was opened")


def test_work_after_a_commit_that_names_no_database_fails_at_once() -> None:
    with pytest.raises(ImproperlyConfigured):
        transaction.on_commit(lambda: None)
