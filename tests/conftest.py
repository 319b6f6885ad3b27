"""Give the suite its databases: real PostgreSQL, one set per run, also when several runs share a machine."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager

import psycopg
import pytest
from django.conf import settings
from django.db import connections
from django.test.utils import CaptureQueriesContext

from ecommerce.db.bootstrap import connect_administrator
from ecommerce.db.configuration import MAINTENANCE_DATABASE, context_databases
from ecommerce.db.embedded import Server, locate

LONG = frozenset({"topologies", "e2e", "faults", "races"})
"""Folders whose tests take long."""
CONTROL = ("BEGIN", "COMMIT", "ROLLBACK", "SAVEPOINT", "RELEASE")
"""How statements begin that only open and close transactions."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the tests that start whole installations, so that no process is left with a long one at the end."""
    items.sort(key=lambda item: LONG.isdisjoint(item.path.parts))


@pytest.fixture(scope="session")
def postgresql() -> None:
    """Start the embedded server when the environment names no other. It stays: ``manage.py db stop`` ends it."""
    assert connections.settings, "Django completes the settings of databases when they are first looked at"
    server = Server(locate(settings.VAR_DIR, os.environ))
    if any(database["HOST"] == str(server.place.sockets) for database in context_databases().values()):
        server.start()


@pytest.fixture(scope="session")
def django_db_modify_db_settings(
    postgresql: None, django_db_modify_db_settings_parallel_suffix: None
) -> Iterator[None]:
    """Name the test databases ``test_…``, with a number when another run on the same server uses that name now.

    A name is taken by a session lock in the maintenance database, so it is free again however a run ends.
    """
    first = next(iter(context_databases().values()))
    with connect_administrator(first, MAINTENANCE_DATABASE) as connection:
        number = next(number for number in range(1, 100) if _take(connection, _test_name(first, number)))
        for database in context_databases().values():
            database["TEST"]["NAME"] = _test_name(database, number)
        yield


def _test_name(database: dict[str, object], number: int) -> str:
    test = database["TEST"]
    assert isinstance(test, dict)
    name = test.get("NAME") or f"test_{database['NAME']}"
    return f"{name}_{number}" if number > 1 else str(name)


def _take(connection: psycopg.Connection[tuple[object, ...]], name: str) -> bool:
    row = connection.execute("SELECT pg_try_advisory_lock(hashtext('test database'), hashtext(%s))", [name]).fetchone()
    return bool(row and row[0])


@pytest.fixture
def statements(request: pytest.FixtureRequest) -> Callable[..., AbstractContextManager[list[str]]]:
    """Give a block that collects the statements on the databases named, or on all that the test may use, without those
    that only open and close transactions. The list is filled when the block ends."""

    @contextmanager
    def collect(*aliases: str) -> Iterator[list[str]]:
        collected: list[str] = []
        chosen = aliases or request.node.get_closest_marker("django_db").kwargs["databases"]
        with ExitStack() as stack:
            captured = [stack.enter_context(CaptureQueriesContext(connections[alias])) for alias in chosen]
            yield collected
            executed = (" ".join(query["sql"].split()) for queries in captured for query in queries)
            collected += [sql for sql in executed if not sql.startswith(CONTROL)]

    return collect
