"""PGMQ as the broker: queues are tables in PostgreSQL, reached by plain SQL.

Order: a queue has one reader at a time, who holds a session advisory lock. It reads without a visibility time-out, so
that a reader that dies leaves nothing invisible behind, and its successor starts with the oldest message again. One
whose process was stopped says nothing, loses its session and with it the queue. Reading and deleting go straight to
the queue's table: PGMQ's functions compose, and so plan, a statement anew each time.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cache
from typing import Any, ClassVar

import psycopg
from django.conf import settings
from django.db import connections
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from ecommerce import codec
from ecommerce.db.queues import broker_dsn
from ecommerce.messaging.broker import (
    MAX_MESSAGE_BYTES,
    Broker,
    BrokerUnavailable,
    Delivery,
    Published,
    Publisher,
    Subscription,
)
from ecommerce.messaging.envelope import Message

ROUTES = """
    SELECT k.routing_key, b.queue_name FROM unnest(%s::text[]) AS k (routing_key)
    LEFT JOIN pgmq.topic_bindings b ON k.routing_key ~ b.compiled_regex
    ORDER BY b.queue_name
"""
SEND = """
    WITH m AS MATERIALIZED (
        SELECT message ->> 'type' AS type, message -> 'data' AS data, message -> 'headers' AS headers, position
        FROM jsonb_array_elements(%s::jsonb) WITH ORDINALITY AS messages (message, position)
    ), {inserts}
    SELECT pg_notify(queue_name, '') FROM unnest(%s::text[]) AS woken (queue_name)
"""
INSERT = """
    {name} AS (
        INSERT INTO {queue} (vt, message, headers)
        SELECT clock_timestamp(), data, headers FROM m WHERE type = ANY(%s) ORDER BY position
    )
"""
READ = "SELECT msg_id, headers, message::text FROM {queue} ORDER BY msg_id LIMIT %s"
DELETE = "DELETE FROM {queue} WHERE msg_id = ANY(%s)"
LOCK = "SELECT pg_try_advisory_lock(hashtextextended(%s, 0))"
UNASKED_SECONDS = 5.0
"""How often a reader looks into a queue from which it has heard nothing."""
SILENCE = "30s"
"""After which a reader has lost its queue: it asks more often, but for the time that a batch takes."""
BINDINGS = "SELECT pattern FROM pgmq.topic_bindings WHERE queue_name = %s"


class PgmqBroker(Broker):
    system: ClassVar[str] = "pgmq"

    def declare(self, bindings: Mapping[str, Sequence[str]]) -> None:
        with _connect() as connection:
            for queue, types in bindings.items():
                connection.execute("SELECT pg_advisory_xact_lock(hashtextextended('pgmq.declare', 0))")
                if not connection.execute("SELECT 1 FROM pgmq.meta WHERE queue_name = %s", [queue]).fetchone():
                    connection.execute("SELECT pgmq.create(%s)", [queue])
                bound = {row[0] for row in connection.execute(BINDINGS, [queue])}
                for pattern in sorted(set(types) - bound):
                    connection.execute("SELECT pgmq.bind_topic(%s, %s)", [pattern, queue])
                for pattern in sorted(bound - set(types)):
                    connection.execute("SELECT pgmq.unbind_topic(%s, %s)", [pattern, queue])

    def publisher(self) -> Publisher:
        return PgmqPublisher()

    def subscribe(self, queue: str) -> Subscription:
        return PgmqSubscription(queue)

    def check(self) -> None:
        with _connect() as connection:
            connection.execute("SELECT count(*) FROM pgmq.meta")

    def shares_database(self, alias: str) -> bool:
        here, broker = connections[alias].settings_dict, conninfo_to_dict(broker_dsn())
        place = (broker.get("host", ""), str(broker.get("port", "")), broker["dbname"])
        return (here["HOST"], str(here["PORT"]), here["NAME"]) == place

    def hand_off(self, alias: str, messages: Sequence[Message]) -> Published:
        with connections[alias].cursor() as cursor:
            return _send(cursor, messages)


class PgmqPublisher(Publisher):
    """Publishes over a connection of its own, for a context whose database holds no queues."""

    def __init__(self) -> None:
        self._connection: psycopg.Connection[Any] | None = None

    def publish(self, messages: Sequence[Message], *, timeout: float) -> Published:
        try:
            if self._connection is None:
                self._connection = _connect()
            with self._connection.transaction(), self._connection.cursor() as cursor:
                cursor.execute("SELECT set_config('statement_timeout', %s, true)", [f"{int(timeout * 1000)}ms"])
                return _send(cursor, messages)
        except psycopg.OperationalError as error:
            self.close()
            raise BrokerUnavailable(str(error)) from error

    def keep_alive(self) -> None:
        """PostgreSQL lets a connection be silent for as long as it likes."""

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


class PgmqSubscription(Subscription):
    def __init__(self, queue: str) -> None:
        self._queue = queue
        self._read_statement, self._delete_statement = (
            sql.SQL(text).format(queue=_table(queue)) for text in (READ, DELETE)
        )
        self._connection: psycopg.Connection[Any] | None = None
        self._holds_queue = False
        self._emptied = False
        """Whether the last read took all there was."""
        self._first = True
        """Whether nothing was read yet, so that the former reader may have read the same."""
        self._read_at = 0.0

    def receive(self, *, limit: int, timeout: float) -> list[Delivery]:
        try:
            connection = self._open()
            if not self._holds_queue:
                row = connection.execute(LOCK, [f"pgmq.{self._queue}"]).fetchone()
                self._holds_queue = bool(row and row[0])
            if self._emptied or not self._holds_queue:
                # What was sent after the last read is announced after it, so nothing waits here longer than it must.
                woken = list(connection.notifies(timeout=timeout, stop_after=1))
                if self._holds_queue and not woken and time.monotonic() < self._read_at + UNASKED_SECONDS:
                    return []
            return self._read(connection, limit) if self._holds_queue else []
        except psycopg.OperationalError as error:
            self.close()
            raise BrokerUnavailable(str(error)) from error

    def acknowledge(self, deliveries: Sequence[Delivery]) -> None:
        try:
            self._open().execute(self._delete_statement, [[delivery.tag for delivery in deliveries]])
        except psycopg.OperationalError as error:
            self.close()
            raise BrokerUnavailable(str(error)) from error

    def close(self) -> None:
        if self._connection is not None:
            with suppress(psycopg.Error):
                self._connection.close()
        self._connection, self._holds_queue, self._emptied, self._first = None, False, False, True

    def _open(self) -> psycopg.Connection[Any]:
        if self._connection is None:
            self._connection = _connect(autocommit=True)
            self._connection.prepare_threshold = None  # a queue is empty now and full a moment later: plan for what is
            # Should a power failure undo an acknowledgement, the message comes again, and the inbox knows it.
            self._connection.execute("SET synchronous_commit = off")
            self._connection.execute("SELECT set_config('idle_session_timeout', %s, false)", [SILENCE])
            self._connection.execute(sql.SQL("LISTEN {}").format(sql.Identifier(self._queue)))
        return self._connection

    def _read(self, connection: psycopg.Connection[Any], limit: int) -> list[Delivery]:
        rows = connection.execute(self._read_statement, [limit]).fetchall()
        again, self._first, self._emptied = self._first, False, len(rows) < limit
        self._read_at = time.monotonic()
        return [
            Delivery(tag, headers if isinstance(headers, dict) else {}, data.encode(), again)
            for tag, headers, data in rows
        ]


def _connect(*, autocommit: bool = False) -> psycopg.Connection[Any]:
    try:
        return psycopg.connect(
            broker_dsn(),
            connect_timeout=settings.BROKER_TIMEOUT,
            autocommit=autocommit,
            application_name="broker",
        )
    except psycopg.OperationalError as error:
        raise BrokerUnavailable(str(error)) from error


def _send(cursor: Any, messages: Sequence[Message]) -> Published:
    """Enqueue in order and wake the readers at commit. Two statements."""
    refused = {m.id: f"larger than {MAX_MESSAGE_BYTES} bytes" for m in messages if len(m.data) > MAX_MESSAGE_BYTES}
    small = [message for message in messages if message.id not in refused]
    cursor.execute(ROUTES, [sorted({message.type for message in small})])
    routes: dict[str, list[str]] = defaultdict(list)
    for key, queue in cursor.fetchall():
        routes[queue].append(key)
    unroutable = set(routes.pop(None, ()))  # type: ignore[call-overload]
    if routes:
        document = b"[%s]" % b",".join(_as_json(message) for message in small)
        cursor.execute(_insertion(tuple(routes)), [document.decode(), *routes.values(), list(routes)])
    refused |= {m.id: "no queue is bound to this type" for m in small if m.type in unroutable}
    return Published(frozenset(m.id for m in messages) - frozenset(refused), refused)


@cache
def _insertion(queues: tuple[str, ...]) -> sql.Composed:
    """Return the statement that puts messages into these queues. Its parameters: all messages as one JSON array, the
    types that go to each queue, and the queues to wake."""
    inserts = [sql.SQL(INSERT).format(name=sql.Identifier(f"to_{queue}"), queue=_table(queue)) for queue in queues]
    return sql.SQL(SEND).format(inserts=sql.SQL(",").join(inserts))


def _as_json(message: Message) -> bytes:
    """Return type, data and headers as one JSON object: an array of these is read faster than three arrays are."""
    return b'{"type":%s,"data":%s,"headers":%s}' % (codec.encode(message.type), message.data, message.headers.encode())


def _table(queue: str) -> sql.Identifier:
    return sql.Identifier("pgmq", f"q_{queue}")
