"""Test databases as the engine makes them, seen from inside the suite and from suites of their own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings
from django.db import NotSupportedError, connections
from django.db.migrations.recorder import MigrationRecorder

from ecommerce.db.bootstrap import connect_administrator, drop_database
from ecommerce.db.configuration import MAINTENANCE_DATABASE, context_databases
from ecommerce.db.engine.base import DatabaseWrapper
from ecommerce.db.queues import broker_dsn

ALIASES = ["identity", "catalog", "cart", "order", "promotion", "notification"]

ONE_PER_CONTEXT = """
import os, pytest
from django.db import connections
from django.db.migrations.recorder import MigrationRecorder

@pytest.mark.parametrize(
    "alias", [pytest.param(alias, marks=pytest.mark.django_db(databases=[alias])) for alias in {aliases}]
)
def test_migrated(alias):
    with connections[alias].cursor() as cursor:
        cursor.execute("SELECT current_database(), current_user")
        worker = os.environ.get("PYTEST_XDIST_WORKER")
        expected = "test_six_" + alias + ("_" + worker if worker else "")
        assert cursor.fetchone() == (expected, alias + "_service")
    assert MigrationRecorder(connections[alias]).applied_migrations()
"""


@pytest.mark.django_db(databases=ALIASES)
def test_every_alias_of_one_database_is_migrated() -> None:
    for alias in ALIASES:
        assert MigrationRecorder(connections[alias]).applied_migrations()
        with connections[alias].cursor() as cursor:
            cursor.execute("SELECT current_database(), current_schema()")
            assert cursor.fetchone() == (settings.DATABASES["cart"]["NAME"], f"{alias}_service")


@pytest.mark.django_db(databases=["cart"])
def test_tests_run_in_a_database_of_their_own() -> None:
    assert connections["cart"].settings_dict["NAME"].startswith("test_")
    assert connections["cart"].settings_dict["NAME"] in broker_dsn()


@pytest.mark.django_db(databases=["cart"])
def test_another_contexts_alias_is_out_of_reach() -> None:
    with pytest.raises(Exception, match="not allowed"), connections["catalog"].cursor() as cursor:
        cursor.execute("SELECT 1")


@pytest.mark.django_db(databases=["cart"], transaction=True)
def test_a_forked_child_leaves_its_parents_connections_alone() -> None:
    """Servers that fork after the first query would otherwise share a socket, or close it for the other."""
    with connections["cart"].cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        mine = cursor.fetchone()
    reader, writer = os.pipe()
    if (child := os.fork()) == 0:
        try:
            assert not DatabaseWrapper._connection_pools
            with connections["cart"].cursor() as cursor:
                cursor.execute("SELECT pg_backend_pid()")
                os.write(writer, str(cursor.fetchone()[0]).encode())
        finally:
            os._exit(0)
    os.close(writer)
    with open(reader) as answer:
        theirs = answer.read()
    os.waitpid(child, 0)

    assert theirs
    assert theirs != str(mine[0])
    with connections["cart"].cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        assert cursor.fetchone() == mine


def databases_like(pattern: str) -> list[str]:
    with connect_administrator(context_databases()["cart"], MAINTENANCE_DATABASE) as connection:
        rows = connection.execute("SELECT datname FROM pg_database WHERE datname LIKE %s ORDER BY 1", [pattern])
        return [name for (name,) in rows]


@pytest.fixture
def six(postgresql: None, tmp_path: Path) -> Iterator[list[str]]:
    """The command of a suite whose contexts have a database each, on the server of this suite."""
    tests = tmp_path / "test_six.py"
    tests.write_text(ONE_PER_CONTEXT.format(aliases=ALIASES))
    root = str(settings.BASE_DIR)
    options = [
        "-q",
        "-p",
        "no:cacheprovider",
        "-p",
        "tests.conftest",
        "-c",
        f"{root}/pyproject.toml",
        "--rootdir",
        root,
    ]
    yield [sys.executable, "-m", "pytest", *options, str(tests)]
    for name in databases_like("test_six_%"):
        drop_database(context_databases()["cart"], name)


def run_six(command: list[str], *options: str) -> str:
    cart = context_databases()["cart"]
    urls = {
        f"{alias.upper()}_DATABASE_URL": f"postgresql:///six_{alias}?host={cart['HOST']}&port={cart['PORT']}"
        for alias in ALIASES
    }
    environment = {**os.environ, **urls, "BROKER_URL": "amqp://nobody@localhost"}
    for variable in ("PYTEST_XDIST_WORKER", "PYTEST_CURRENT_TEST"):
        environment.pop(variable, None)
    command = [*command, *options]
    done = subprocess.run(command, env=environment, cwd=settings.BASE_DIR, capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


embedded_only = pytest.mark.skipif(
    bool(os.environ.get("DATABASE_URL")), reason="derives six URLs from the socket of the embedded server"
)


@embedded_only
@pytest.mark.timeout(300)
def test_a_database_per_context_works_like_one_and_every_worker_has_its_own(six: list[str]) -> None:
    assert "2 passed" in run_six(six, "-n", "2", "-k", "cart or catalog")
    assert databases_like("test_six_%") == []


@embedded_only
@pytest.mark.timeout(300)
def test_a_database_can_be_kept_for_the_next_run(six: list[str]) -> None:
    run_six(six, "-k", "cart", "--reuse-db")
    assert databases_like("test_six_%") == ["test_six_cart"]

    assert "1 passed" in run_six(six, "-k", "cart", "--reuse-db")


@pytest.mark.django_db(databases=["order"], transaction=True)
def test_a_plan_that_a_migration_made_outdated_fails_once() -> None:
    connection = connections["order"]
    settings = connection.settings_dict

    def read() -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT word FROM outdated")

    with connect_administrator(settings, settings["NAME"]) as administrator:
        administrator.execute("CREATE TABLE order_service.outdated (word varchar(10))")
        administrator.execute("GRANT SELECT ON order_service.outdated TO order_service")
        try:
            for _ in range(8):
                read()
            administrator.execute("ALTER TABLE order_service.outdated ALTER COLUMN word TYPE varchar(20)")
            with pytest.raises(NotSupportedError, match="cached plan"):
                read()
            connection.close_if_unusable_or_obsolete()  # what ends a request
            read()
        finally:
            administrator.execute("DROP TABLE order_service.outdated")
