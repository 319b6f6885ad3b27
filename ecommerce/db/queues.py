"""The PGMQ queues in PostgreSQL: who owns them, who may use them, and how to reach them.

The SQL comes from the ``pgmq`` package and belongs to the role ``broker_service``, which creates queues and bindings.
Contexts in the same database may put messages into queues and take them out, through the group role ``event_bus``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import psycopg
from django.conf import settings
from django.db import connections
from pgmq.install import get_embedded_install_sql
from psycopg import sql
from psycopg.conninfo import make_conninfo

from ecommerce.db.configuration import BROKER_ROLE, connection_parameters

GROUP = "event_bus"

MISSING_OVERLOAD = """
    CREATE OR REPLACE FUNCTION pgmq.send_topic(routing_key text, msg jsonb, headers jsonb) RETURNS integer
    LANGUAGE sql AS $$ SELECT pgmq.send_topic(routing_key, msg, headers, 0) $$
"""
"""kombu's transport calls this one for messages with headers; the SQL of PGMQ 1.13 lacks it."""

GRANTS = (
    "GRANT USAGE ON SCHEMA pgmq TO event_bus",
    "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA pgmq TO event_bus",
    "REVOKE INSERT, UPDATE, DELETE ON pgmq.meta, pgmq.topic_bindings FROM event_bus",
    "GRANT USAGE ON ALL SEQUENCES IN SCHEMA pgmq TO event_bus",
    "ALTER DEFAULT PRIVILEGES IN SCHEMA pgmq GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO event_bus",
    "ALTER DEFAULT PRIVILEGES IN SCHEMA pgmq GRANT USAGE ON SEQUENCES TO event_bus",
)


class ForeignQueues(Exception):
    """The schema ``pgmq`` exists and belongs to somebody else."""


def broker_dsn() -> str:
    """Return the connection string of the database with the queues, as the role that owns them.

    While tests run, it is the test database of whichever contexts have one.

    Raises:
        LookupError: the broker is not PGMQ.
    """
    database = settings.BROKER_DATABASE
    if not database:
        raise LookupError(f"the broker {settings.BROKER_URL.partition(':')[0]} keeps no queues in PostgreSQL")
    parameters = connection_parameters(database)
    names = (connections[alias].settings_dict["NAME"] for alias in database["SHARED_WITH"])
    parameters["dbname"] = next((name for name in names if name != database["NAME"]), database["NAME"])
    return make_conninfo("", **parameters)


def install(connection: psycopg.Connection[Any], names: Sequence[str], *, readers: Sequence[str]) -> None:
    """Install PGMQ and the queues ``names`` as far as they are missing, and let the roles ``readers`` use them.

    Runs in the caller's transaction, as an administrator; ``broker_service`` must exist.

    Raises:
        ForeignQueues
    """
    _ensure_group(connection, readers)
    owner = connection.execute("SELECT pg_get_userbyid(nspowner) FROM pg_namespace WHERE nspname = 'pgmq'").fetchone()
    if owner is not None and owner[0] != BROKER_ROLE:
        raise ForeignQueues(f"schema pgmq belongs to {owner[0]}: BROKER_URL has to name a database without it")
    broker = sql.Identifier(BROKER_ROLE)
    database = sql.Identifier(connection.info.dbname)
    if owner is None:
        connection.execute(sql.SQL("GRANT CREATE ON DATABASE {} TO {}").format(database, broker))
    connection.execute(sql.SQL("SET LOCAL ROLE {}").format(broker))
    if owner is None:
        connection.execute("CREATE SCHEMA pgmq")
        connection.execute(get_embedded_install_sql().encode())
    connection.execute(MISSING_OVERLOAD)
    _ensure_queues(connection, names)
    for grant in GRANTS:
        connection.execute(grant.encode())
    connection.execute("RESET ROLE")
    if owner is None:
        connection.execute(sql.SQL("REVOKE CREATE ON DATABASE {} FROM {}").format(database, broker))


def _ensure_group(connection: psycopg.Connection[Any], members: Sequence[str]) -> None:
    group = sql.Identifier(GROUP)
    if connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [GROUP]).fetchone() is None:
        connection.execute(sql.SQL("CREATE ROLE {} NOLOGIN").format(group))
    for member in members:
        connection.execute(sql.SQL("GRANT {} TO {}").format(group, sql.Identifier(member)))


def _ensure_queues(connection: psycopg.Connection[Any], names: Sequence[str]) -> None:
    """Create missing queues, vacuumed early: every message leaves a dead row."""
    existing = {name for (name,) in connection.execute("SELECT queue_name FROM pgmq.meta")}
    for name in names:
        if name not in existing:
            connection.execute("SELECT pgmq.create(%s)", [name])
            settle = "ALTER TABLE pgmq.{} SET (autovacuum_vacuum_scale_factor = 0.02)"
            connection.execute(sql.SQL(settle).format(sql.Identifier(f"q_{name}")))
