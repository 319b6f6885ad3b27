"""The floors of the event backbone: the same rows moved by bare SQL, the same messages published by bare py-amqp."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote, urlsplit
from uuid import uuid4

import amqp
import psycopg

from ecommerce.messaging.envelope import Envelope

WINDOW = 500
PAYLOAD: dict[str, Any] = {"variant_id": str(uuid4()), "old_price": {"amount": "49.90", "currency": "BRL"},
           "new_price": {"amount": "39.90", "currency": "BRL"}}  # fmt: skip
HEADERS = Envelope(
    id=uuid4(), source="/contexts/catalog", type="catalog.variant_price_changed.v1", subject=PAYLOAD["variant_id"],
    time=datetime.now(UTC), partitionkey=PAYLOAD["variant_id"], sequence=1, correlationid=str(uuid4()),
).headers()  # fmt: skip
"""Those of the events that are measured."""
TABLES = """
    CREATE TEMPORARY TABLE floor_outbox (id bigserial PRIMARY KEY, event_id uuid UNIQUE, payload jsonb, headers jsonb);
    CREATE TEMPORARY TABLE floor_queue (id bigserial PRIMARY KEY, payload jsonb, headers jsonb);
    CREATE TEMPORARY TABLE floor_archive (LIKE floor_outbox);
"""
FILL = (
    "INSERT INTO floor_outbox (event_id, payload, headers) SELECT gen_random_uuid(), %s, %s FROM generate_series(1, %s)"
)
MOVE = """
    WITH moved AS (
        DELETE FROM floor_outbox WHERE id IN (SELECT id FROM floor_outbox ORDER BY id LIMIT %s) RETURNING *
    ), sent AS (
        INSERT INTO floor_queue (payload, headers) SELECT payload, headers FROM moved ORDER BY id
    )
    INSERT INTO floor_archive SELECT * FROM moved
"""


def moved_by_sql(administrator: psycopg.Connection[Any], *, events: int) -> float:
    """Return how many rows a second one connection moves from an outbox to a queue and an archive, 500 a commit."""
    administrator.execute(TABLES)
    administrator.execute(FILL, [json.dumps(PAYLOAD), json.dumps(HEADERS), events])
    started = time.perf_counter()
    while administrator.execute(MOVE, [WINDOW]).rowcount:
        pass
    rate = events / (time.perf_counter() - started)
    administrator.execute("DROP TABLE floor_outbox, floor_queue, floor_archive")
    return rate


def published_by_amqp(url: str, *, events: int) -> float:
    """Return how many messages a second bare py-amqp publishes into one quorum queue, confirmed 500 at a time."""
    with _connection(url) as connection:
        channel = connection.channel()
        channel.queue_declare("floor", durable=True, auto_delete=False, arguments={"x-queue-type": "quorum"})
        channel.confirm_select()
        confirmed = _Confirms(channel)
        message = amqp.Message(
            json.dumps(PAYLOAD).encode(), application_headers=HEADERS, content_type="application/json", delivery_mode=2
        )
        try:
            started = time.perf_counter()
            for first in range(0, events, WINDOW):
                size = min(WINDOW, events - first)
                for _ in range(size):
                    channel.basic_publish(message, "", "floor", mandatory=True)
                while confirmed.count < first + size:
                    connection.drain_events(timeout=30)
            return events / (time.perf_counter() - started)
        finally:
            channel.queue_delete("floor")


class _Confirms:
    """Counts what the broker has confirmed; a confirm may stand for all before it."""

    def __init__(self, channel: Any) -> None:
        self.count = 0
        channel.events["basic_ack"].add(self._confirm)

    def _confirm(self, tag: int, multiple: bool) -> None:
        self.count = max(self.count, tag) if multiple else self.count + 1


def _connection(url: str) -> amqp.Connection:
    parts = urlsplit(url)
    connection = amqp.Connection(
        host=f"{parts.hostname}:{parts.port or 5672}",
        userid=unquote(parts.username or "guest"),
        password=unquote(parts.password or "guest"),
        virtual_host=unquote(parts.path[1:]) or "/",
    )
    connection.connect()
    return connection
