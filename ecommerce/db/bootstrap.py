"""What only an administrator may do: databases, roles, schemas, extensions, queues. Safe to repeat.

Every context's role owns its schema and nothing else; PostgreSQL itself then refuses SQL that crosses contexts.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import psycopg
from django.conf import settings
from psycopg import sql

from ecommerce.db import queues
from ecommerce.db.configuration import BROKER_ROLE, MAINTENANCE_DATABASE, administrator_of, context_databases
from ecommerce.topology import BACK_OFFICE_TASKS, current

Connection = psycopg.Connection[tuple[Any, ...]]
Database = Mapping[str, Any]
"""One entry of ``settings.DATABASES``, or ``settings.BROKER_DATABASE``."""

LOCK = 0x65636F6D6D657263
"""Advisory lock in the maintenance database. Roles belong to the whole server: one bootstrap at a time."""
MINIMUM_VERSION = 15
IDLE = sql.Literal("30s")
"""How long a session may do nothing within a transaction: then its process was stopped, and it holds rows of others."""
EXTENSIONS = ("unaccent", "pg_trgm", "btree_gin")


class BootstrapError(Exception):
    """The configuration cannot be applied to the server; the text says what to change."""


def bootstrap_all() -> list[str]:
    """Prepare every database that this process uses. Return one line for each.

    Raises:
        BootstrapError, NoAdministrator, queues.ForeignQueues, psycopg.Error
    """
    places: dict[tuple[str, str, str], list[Database]] = {}
    for database in (*context_databases().values(), settings.BROKER_DATABASE):
        if database:
            places.setdefault((database["HOST"], database["PORT"], database["NAME"]), []).append(database)
    for (_, _, name), databases in places.items():
        bootstrap_database(databases, name=name)
    return [
        f"{name} at {host}:{port} holds {', '.join(database['SCHEMA'] for database in databases)}"
        for (host, port, name), databases in places.items()
    ]


def bootstrap_database(databases: Sequence[Database], *, name: str) -> None:
    """Create ``name`` when it is missing and prepare it for all ``databases``, which must be on one server.

    The queues are made when the broker's database is one of them.

    Raises:
        BootstrapError: the server is too old, or an URL names an administrator where it should name a service's role.
        NoAdministrator
    """
    with connect_administrator(databases[0], MAINTENANCE_DATABASE) as server:
        server.execute("SELECT pg_advisory_lock(%s)", [LOCK])
        _require_version(server)
        for database in databases:
            _ensure_role(server, database)
        if server.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone() is None:
            create = "CREATE DATABASE {} TEMPLATE template0 ENCODING 'UTF8'"
            server.execute(sql.SQL(create).format(sql.Identifier(name)))
        with connect_administrator(databases[0], name) as connection, connection.transaction():
            _close_to_the_public(connection, name, [database["USER"] for database in databases])
            _ensure_extensions(connection)
            contexts = [database for database in databases if database["USER"] != BROKER_ROLE]
            for database in contexts:
                _ensure_schema(connection, database)
            if len(contexts) < len(databases):
                queues.install(connection, _queues(), readers=[database["USER"] for database in contexts])


def _queues() -> list[str]:
    """The queues of all contexts. Celery's are among them, so that its processes do not race for them at their first
    start."""
    topology = current()
    tasks = [context.task_queue for context in topology.contexts]
    return [*(context.queue for context in topology.contexts), *tasks, BACK_OFFICE_TASKS]


def drop_database(database: Database, name: str) -> None:
    """Drop a database of the server of ``database``, ending its sessions; nothing happens when there is none."""
    with connect_administrator(database, MAINTENANCE_DATABASE) as server:
        server.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))


@contextmanager
def connect_administrator(database: Database, name: str) -> Iterator[Connection]:
    """Connect to ``name`` as the administrator of the server of ``database``, in autocommit mode.

    Raises:
        NoAdministrator
    """
    with psycopg.connect(**administrator_of(database, dbname=name), autocommit=True) as connection:
        connection.execute("SET client_min_messages = warning")
        yield connection


def _require_version(server: Connection) -> None:
    if server.info.server_version < MINIMUM_VERSION * 10_000:
        found = server.info.server_version // 10_000
        raise BootstrapError(f"PostgreSQL {MINIMUM_VERSION} or newer is needed, and this is {found}")


def _ensure_role(server: Connection, database: Database) -> None:
    """Create the role, set its password when the configuration has one, and what holds for all of its sessions."""
    name, role = database["USER"], sql.Identifier(database["USER"])
    existing = server.execute("SELECT rolsuper FROM pg_roles WHERE rolname = %s", [name]).fetchone()
    if existing and existing[0]:
        raise BootstrapError(
            f"{name} is a superuser: the URL of a context names the role of its service, such as {database['SCHEMA']}"
        )
    if not existing:
        server.execute(sql.SQL("CREATE ROLE {} LOGIN").format(role))
    if database["PASSWORD"]:
        hashed = server.pgconn.encrypt_password(database["PASSWORD"].encode(), name.encode(), b"scram-sha-256")
        server.execute(sql.SQL("ALTER ROLE {} LOGIN PASSWORD {}").format(role, sql.Literal(hashed.decode())))
    path = sql.SQL("ALTER ROLE {} SET search_path = {}, ext")
    server.execute(path.format(role, sql.Identifier(database["SCHEMA"])))
    server.execute(sql.SQL("ALTER ROLE {} SET idle_in_transaction_session_timeout = {}").format(role, IDLE))
    if not _is_superuser(server):
        server.execute(sql.SQL("GRANT {} TO CURRENT_USER").format(role))


def _is_superuser(connection: Connection) -> bool:
    row = connection.execute("SELECT rolsuper FROM pg_roles WHERE rolname = current_user").fetchone()
    return bool(row and row[0])


def _close_to_the_public(connection: Connection, name: str, roles: Sequence[str]) -> None:
    database = sql.Identifier(name)
    everyone = sql.SQL(", ").join(map(sql.Identifier, roles))
    connection.execute(sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(database))
    connection.execute(sql.SQL("GRANT CONNECT, TEMPORARY ON DATABASE {} TO {}").format(database, everyone))
    connection.execute("REVOKE ALL ON SCHEMA public FROM PUBLIC")


def _ensure_schema(connection: Connection, database: Database) -> None:
    create = "CREATE SCHEMA IF NOT EXISTS {} AUTHORIZATION {}"
    connection.execute(sql.SQL(create).format(sql.Identifier(database["SCHEMA"]), sql.Identifier(database["USER"])))


def _ensure_extensions(connection: Connection) -> None:
    """Extensions and the Portuguese search configuration, in a schema that everybody may use.

    ``ext.portuguese_unaccent`` finds "calção" for "calcao". ``ext.immutable_unaccent`` is for indexes and generated
    columns: the dictionary is named, so the result does not depend on ``search_path``.
    """
    connection.execute("CREATE SCHEMA IF NOT EXISTS ext")
    connection.execute("GRANT USAGE ON SCHEMA ext TO PUBLIC")
    for extension in EXTENSIONS:
        connection.execute(sql.SQL("CREATE EXTENSION IF NOT EXISTS {} SCHEMA ext").format(sql.Identifier(extension)))
    connection.execute(
        """
        CREATE OR REPLACE FUNCTION ext.immutable_unaccent(text) RETURNS text
        LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
        AS $$ SELECT ext.unaccent('ext.unaccent'::regdictionary, $1) $$
        """
    )
    exists = "SELECT 1 FROM pg_ts_config WHERE cfgname = 'portuguese_unaccent' AND cfgnamespace = 'ext'::regnamespace"
    if connection.execute(exists).fetchone() is None:
        connection.execute("CREATE TEXT SEARCH CONFIGURATION ext.portuguese_unaccent (COPY = pg_catalog.portuguese)")
        connection.execute(
            "ALTER TEXT SEARCH CONFIGURATION ext.portuguese_unaccent "
            "ALTER MAPPING FOR hword, hword_part, word WITH ext.unaccent, pg_catalog.portuguese_stem"
        )
