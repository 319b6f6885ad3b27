"""Bootstrap against real servers: the one of the suite, and an external one when it is there."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.conf import settings

from ecommerce.db.bootstrap import BootstrapError, bootstrap_database, connect_administrator, drop_database
from ecommerce.db.configuration import (
    MAINTENANCE_DATABASE,
    broker_database,
    connection_parameters,
    context_databases,
    databases,
)
from ecommerce.db.queues import ForeignQueues

EXTERNAL = os.environ.get("EXTERNAL_POSTGRESQL_URL", "postgresql://postgres@127.0.0.1:5432/postgres")

Database = dict[str, Any]


@dataclass
class Shop:
    """A bootstrapped database of our own."""

    name: str
    contexts: dict[str, Database]
    broker: Database

    @property
    def everybody(self) -> list[Database]:
        return [*self.contexts.values(), self.broker]

    def connect(self, who: str) -> psycopg.Connection[Any]:
        database = self.broker if who == "broker" else self.contexts[who]
        return psycopg.connect(**{**connection_parameters(database), "dbname": self.name}, autocommit=True)

    def run(self, who: str, statement: str) -> list[tuple[Any, ...]]:
        with self.connect(who) as connection:
            cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []

    def administer(self, statement: str) -> None:
        with connect_administrator(self.broker, self.name) as connection:
            connection.execute(statement.encode())


def prepared(shop: Shop) -> Iterator[Shop]:
    bootstrap_database(shop.everybody, name=shop.name)
    yield shop
    drop_database(shop.broker, shop.name)


@pytest.fixture(scope="module")
def embedded(postgresql: None) -> Iterator[Shop]:
    contexts = context_databases()
    broker = broker_database(contexts, env=os.environ, var_dir=settings.VAR_DIR, broker_url="pgmq://")
    yield from prepared(Shop(f"test_bootstrap_{os.getpid()}", contexts, broker))


@pytest.fixture(scope="module")
def external() -> Iterator[Shop]:
    """A server that we did not configure, with the administrator's URL alone. Leaves no role behind that it made."""
    env = {"DATABASE_URL": EXTERNAL, "SECRET_KEY": "external"}
    contexts = databases(settings.TOPOLOGY, env=env, var_dir=Path("/nowhere"))
    del contexts["default"]
    broker = broker_database(contexts, env=env, var_dir=Path("/nowhere"), broker_url="pgmq://")
    if context_databases()["cart"]["HOST"] == broker["HOST"]:
        pytest.skip("the suite runs on this server already")
    try:
        with connect_administrator(broker, MAINTENANCE_DATABASE) as connection:
            before = {name for (name,) in connection.execute("SELECT rolname FROM pg_roles")}
    except psycopg.OperationalError as error:
        pytest.skip(f"no external PostgreSQL at {EXTERNAL}: {error}")
    shop = Shop(f"test_bootstrap_{os.getpid()}", contexts, broker)
    yield from prepared(shop)
    with connect_administrator(broker, MAINTENANCE_DATABASE) as connection:
        ours = {database["USER"] for database in shop.everybody} | {"event_bus"}
        for role in sorted(ours - before):
            connection.execute(f"DROP ROLE {role}".encode())


@pytest.fixture(params=["embedded", "external"])
def shop(request: pytest.FixtureRequest) -> Shop:
    found: Shop = request.getfixturevalue(request.param)
    return found


def test_every_role_works_in_its_own_schema(shop: Shop) -> None:
    for context in shop.contexts:
        assert shop.run(context, "SELECT current_schema()") == [(f"{context}_service",)]
        shop.run(context, "CREATE TABLE mine (id int)")
        shop.run(context, "DROP TABLE mine")


def test_a_process_that_was_stopped_does_not_keep_its_transaction(shop: Shop) -> None:
    for context in shop.contexts:
        assert shop.run(context, "SHOW idle_in_transaction_session_timeout") == [("30s",)]


def test_a_context_cannot_read_anothers_table(shop: Shop) -> None:
    shop.run("catalog", "CREATE TABLE IF NOT EXISTS products (id int)")

    with pytest.raises(psycopg.errors.InsufficientPrivilege, match="schema catalog_service"):
        shop.run("cart", "SELECT * FROM catalog_service.products")


@pytest.mark.parametrize("schema", ["public", "ext", "catalog_service", "pgmq"])
def test_a_context_creates_nothing_outside_its_schema(shop: Shop, schema: str) -> None:
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        shop.run("cart", f"CREATE TABLE {schema}.stray (id int)")


@pytest.mark.parametrize("statement", ["CREATE SCHEMA mine", "CREATE EXTENSION hstore", "CREATE ROLE other"])
def test_a_context_gets_nothing_else(shop: Shop, statement: str) -> None:
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        shop.run("cart", statement)


def test_a_context_cannot_become_another_one(shop: Shop) -> None:
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        shop.run("cart", "SET ROLE catalog_service")


def test_strangers_may_not_connect(shop: Shop) -> None:
    with connect_administrator(shop.broker, MAINTENANCE_DATABASE) as connection:
        connection.execute("DROP ROLE IF EXISTS test_stranger")
        connection.execute("CREATE ROLE test_stranger")
        query = "SELECT has_database_privilege(%s, %s, 'CONNECT')"
        roles = ("test_stranger", "cart_service")
        allowed = [connection.execute(query, [role, shop.name]).fetchone() for role in roles]
        connection.execute("DROP ROLE test_stranger")

    assert allowed == [(False,), (True,)]


def test_extensions_work_for_a_plain_role(shop: Shop) -> None:
    shop.run("catalog", "CREATE TABLE names (name text)")
    shop.run("catalog", "CREATE INDEX ON names USING gin (immutable_unaccent(lower(name)) gin_trgm_ops)")

    assert shop.run("catalog", "SELECT unaccent('calção'), 'camiseta' % 'camisetta'") == [("calcao", True)]


def test_portuguese_search_ignores_accents_and_endings(shop: Shop) -> None:
    query = (
        "SELECT to_tsvector('portuguese_unaccent', 'Calções de promoção') @@ plainto_tsquery('portuguese_unaccent', %s)"
    )

    with shop.connect("catalog") as connection:
        assert [connection.execute(query, [word]).fetchone() for word in ("calcoes", "PROMOÇÃO", "sapato")] == [
            (True,),
            (True,),
            (False,),
        ]


def test_every_context_has_a_queue_it_can_fill_and_empty(shop: Shop) -> None:
    shop.run("order", "SELECT pgmq.send('cart_events', '{\"n\": 1}'::jsonb)")
    ((message_id, message),) = shop.run("cart", "SELECT msg_id, message FROM pgmq.read('cart_events', 0, 10)")

    assert message == {"n": 1}
    assert shop.run("cart", f"SELECT pgmq.delete('cart_events', {message_id})") == [(True,)]
    queues = {name for (name,) in shop.run("cart", "SELECT queue_name FROM pgmq.meta")}
    assert queues >= {f"{context.name}_events" for context in settings.TOPOLOGY.contexts}


def test_topics_with_headers_reach_the_bound_queues(shop: Shop) -> None:
    shop.run("broker", "SELECT pgmq.bind_topic('order.*.v1', 'promotion_events')")

    sent = shop.run("order", "SELECT pgmq.send_topic('order.placed.v1', '{}'::jsonb, '{\"id\": \"x\"}'::jsonb)")

    assert sent == [(1,)]
    assert shop.run("promotion", "SELECT headers FROM pgmq.read('promotion_events', 0, 1)") == [({"id": "x"},)]


def test_contexts_do_not_change_queues_and_bindings(shop: Shop) -> None:
    for statement in ("SELECT pgmq.create('mine')", "SELECT pgmq.bind_topic('#', 'cart_events')"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            shop.run("cart", statement)


def test_a_queue_made_later_is_open_to_the_contexts(shop: Shop) -> None:
    shop.run("broker", "SELECT pgmq.create('later')")

    assert shop.run("cart", "SELECT pgmq.send('later', '{}'::jsonb)") == [(1,)]


def test_it_can_be_repeated_and_keeps_what_is_there(shop: Shop) -> None:
    shop.run("cart", "CREATE TABLE kept (id int)")
    shop.run("order", "SELECT pgmq.send('identity_events', '{}'::jsonb)")

    bootstrap_database(shop.everybody, name=shop.name)

    assert shop.run("cart", "SELECT count(*) FROM kept") == [(0,)]
    assert shop.run("identity", "SELECT count(*) FROM pgmq.q_identity_events") == [(1,)]


def test_it_repairs_what_is_missing(shop: Shop) -> None:
    shop.administer("DROP SCHEMA IF EXISTS promotion_service")
    shop.administer("SET ROLE broker_service; SELECT pgmq.drop_queue('notification_events')")

    bootstrap_database(shop.everybody, name=shop.name)

    assert shop.run("promotion", "SELECT current_schema()") == [("promotion_service",)]
    assert shop.run("notification", "SELECT pgmq.send('notification_events', '{}'::jsonb)") == [(1,)]


def test_contexts_can_have_a_database_each(shop: Shop) -> None:
    names = {context: f"{shop.name}_{context}" for context in ("cart", "catalog")}
    try:
        for context, name in names.items():
            bootstrap_database([shop.contexts[context]], name=name)

        alone = Shop(names["cart"], shop.contexts, shop.broker)
        schemas = {name for (name,) in alone.run("cart", "SELECT nspname FROM pg_namespace")}
        assert {"cart_service", "ext"} <= schemas
        assert not {"catalog_service", "pgmq"} & schemas
        with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
            alone.connect("catalog")
    finally:
        for name in names.values():
            drop_database(shop.broker, name)


def test_a_url_with_a_superuser_is_refused(shop: Shop) -> None:
    with pytest.raises(BootstrapError, match="postgres is a superuser.*cart_service"):
        bootstrap_database([shop.contexts["cart"] | {"USER": "postgres"}], name=shop.name)


def test_somebody_elses_pgmq_is_left_alone(shop: Shop) -> None:
    name = f"{shop.name}_foreign"
    bootstrap_database([shop.contexts["cart"]], name=name)
    try:
        with connect_administrator(shop.broker, name) as connection:
            connection.execute("CREATE SCHEMA pgmq")

        with pytest.raises(ForeignQueues, match="belongs to postgres"):
            bootstrap_database([shop.contexts["cart"], shop.broker], name=name)
    finally:
        drop_database(shop.broker, name)


def test_roles_of_an_external_server_log_in_with_the_derived_password(external: Shop) -> None:
    """The server of the suite may trust everybody, so the stored verifier is compared instead."""
    with connect_administrator(external.broker, MAINTENANCE_DATABASE) as connection:
        row = connection.execute("SELECT rolpassword FROM pg_authid WHERE rolname = 'cart_service'").fetchone()

    assert row is not None
    assert _matches(row[0], external.contexts["cart"]["PASSWORD"])


def _matches(verifier: str, password: str) -> bool:
    """Check a password against a SCRAM verifier (RFC 5803)."""
    import base64
    import hashlib
    import hmac

    _, iterations_and_salt, keys = verifier.split("$")
    iterations, salt = iterations_and_salt.split(":")
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), base64.b64decode(salt), int(iterations))
    stored = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    return base64.b64encode(stored).decode() == keys.split(":")[0]


def test_an_administrator_without_superuser_rights_is_enough(external: Shop) -> None:
    """Managed databases give no superuser: creating databases and roles must do."""
    name = f"{external.name}_managed"
    create = "CREATE ROLE test_manager LOGIN CREATEDB CREATEROLE PASSWORD 'm'"
    with connect_administrator(external.broker, MAINTENANCE_DATABASE) as connection:
        connection.execute("DROP ROLE IF EXISTS test_manager")
        connection.execute(create)
    manager = external.broker["ADMINISTRATOR"] | {"user": "test_manager", "password": "m"}
    try:
        bootstrap_database([each | {"ADMINISTRATOR": manager} for each in external.everybody], name=name)

        shop = Shop(name, external.contexts, external.broker)
        assert shop.run("cart", "SELECT pgmq.send('cart_events', '{}'::jsonb), unaccent('é')") == [(1, "e")]
    finally:
        drop_database(external.broker, name)
        with connect_administrator(external.broker, MAINTENANCE_DATABASE) as connection:
            connection.execute("DROP OWNED BY test_manager")
            connection.execute("DROP ROLE test_manager")
