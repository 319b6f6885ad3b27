"""What the databases say, read as an administrator: for waiting until nothing moves, and for the audit."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any, LiteralString

import psycopg
from psycopg import sql

from ecommerce.db.configuration import administrator_of, broker_database, databases
from ecommerce.topology import Topology

CONTEXTS = ("identity", "catalog", "cart", "order", "promotion", "notification")
ALL_QUEUES = [f"{context}_events" for context in CONTEXTS]
Rows = list[tuple[Any, ...]]
Subscriptions = Mapping[str, str]
"""Event type by the name of the handler that listens to it."""

PUBLISHED = """
    SELECT event_type, sum(number)::bigint FROM (
        SELECT event_type, count(*) AS number FROM {schema}.outbox_archive GROUP BY 1
        UNION ALL SELECT event_type, count(*) FROM {schema}.outbox_event GROUP BY 1
    ) AS counted GROUP BY 1 ORDER BY 1
"""
HANDLED = "SELECT consumer, outcome, count(*) FROM {schema}.inbox_message GROUP BY 1, 2 ORDER BY 1, 2"
WAITING = "SELECT count(*) FROM {schema}.outbox_event WHERE status <> 'PARKED'"
PARKED = """
    SELECT (SELECT count(*) FROM {schema}.outbox_event WHERE status = 'PARKED')
         + (SELECT count(*) FROM {schema}.inbox_parked)
"""
SAGAS = "SELECT saga_type, status, count(*) FROM {schema}.saga_instance GROUP BY 1, 2 ORDER BY 1, 2"
RUNNING_SAGAS = """
    SELECT count(*) FROM {schema}.saga_instance WHERE status IN ('RUNNING', 'WAITING', 'COMPENSATING')
"""
FAILED_STEPS = """
    SELECT i.saga_type, s.name, s.direction, s.status, left(s.error, 120), count(*) FROM {schema}.saga_step s
    JOIN {schema}.saga_instance i ON i.id = s.saga_id
    WHERE s.status IN ('FAILED', 'UNKNOWN', 'PARKED') GROUP BY 1, 2, 3, 4, 5 ORDER BY 6 DESC
"""
STUCK_SAGAS = """
    SELECT i.saga_type, i.subject::text, i.status, s.name, s.direction, i.attempt, i.due_at::text, s.status, s.error
    FROM {schema}.saga_instance i
    JOIN LATERAL (SELECT * FROM {schema}.saga_step WHERE saga_id = i.id ORDER BY id DESC LIMIT 1) s ON true
    WHERE i.status NOT IN ('COMPLETED', 'COMPENSATED') ORDER BY i.created_at LIMIT 20
"""
PARKED_REASONS = """
    SELECT consumer, event_type, status, attempts, reason FROM {schema}.inbox_parked ORDER BY id LIMIT 20
"""
QUEUES = "SELECT queue_name FROM pgmq.meta WHERE queue_name = ANY(%s)"

ORDERS = "SELECT id, status, total, placed_at FROM {schema}.orders WHERE status <> 'failed'"
LINES = "SELECT order_id, sku, quantity, unit_price FROM {schema}.order_lines"
LEDGER = """
    SELECT a.method, l.kind, sum(l.amount) FROM {schema}.payment_ledger l
    JOIN {schema}.payment_attempts a ON a.id = l.attempt_id GROUP BY 1, 2
"""
OPEN_WEBHOOKS = "SELECT count(*) FROM {schema}.payment_webhooks WHERE processed_at IS NULL"
SALES = """
    SELECT coalesce(sum(orders), 0)::bigint, coalesce(sum(pieces), 0)::bigint, coalesce(sum(revenue), 0),
           coalesce(sum(cancelled_orders), 0)::bigint FROM {schema}.sales_daily
"""
STOCK = """
    WITH moved AS (
        SELECT variant_id,
               sum(quantity) FILTER (WHERE kind IN ('receive', 'adjust')) AS received,
               sum(quantity) FILTER (WHERE kind = 'sell') AS sold,
               sum(quantity) FILTER (WHERE kind = 'return') AS returned
        FROM {schema}.stock_movements GROUP BY 1
    ), held AS (
        SELECT l.variant_id, sum(l.quantity) AS held FROM {schema}.stock_reservation_lines l
        JOIN {schema}.stock_reservations r ON r.id = l.reservation_id AND r.status = 'held' GROUP BY 1
    ), balance AS (
        SELECT s.on_hand, s.reserved, coalesce(m.received, 0) AS received,
               coalesce(m.sold, 0) - coalesce(m.returned, 0) AS sold, coalesce(h.held, 0) AS held
        FROM {schema}.stock s LEFT JOIN moved m USING (variant_id) LEFT JOIN held h USING (variant_id)
    )
    SELECT coalesce(sum(received), 0)::bigint, coalesce(sum(on_hand), 0)::bigint, coalesce(sum(sold), 0)::bigint,
           coalesce(sum(reserved), 0)::bigint,
           count(*) FILTER (WHERE on_hand + sold <> received), count(*) FILTER (WHERE reserved <> held) FROM balance
"""
REVIEWS = "SELECT count(*) FROM {schema}.reviews"
CARTS = "SELECT count(*) FROM {schema}.carts WHERE status = 'converted'"
CUSTOMERS = "SELECT count(*) FROM {schema}.users WHERE email LIKE '%@olist.example'"
OPEN_MESSAGES = "SELECT count(*) FROM {schema}.messages WHERE status IN ('queued', 'sending')"
MESSAGES = "SELECT status, count(*) FROM {schema}.messages WHERE channel = 'email' GROUP BY 1"
SENT = "SELECT provider_id FROM {schema}.messages WHERE channel = 'email' AND status = 'sent'"


class Books:
    """The databases of all contexts, wherever each of them is."""

    def __init__(
        self, connections: Mapping[str, psycopg.Connection[Any]], queues: psycopg.Connection[Any] | None
    ) -> None:
        self._connections = connections
        self._queues = queues
        """To the database that holds the queues, if any does."""

    def rows(self, context: str, query: LiteralString, parameters: Sequence[Any] | None = None) -> Rows:
        """Run a query on the schema of ``context``, which is ``{schema}`` there."""
        text = sql.SQL(query).format(schema=sql.Identifier(f"{context}_service"))
        return self._connections[context].execute(text, parameters).fetchall()

    def table(self, context: str, table: str) -> list[dict[str, Any]]:
        """Return all rows of a table, as JSON has them."""
        query = sql.SQL("SELECT to_jsonb(t) FROM {}.{} AS t")
        name = sql.Identifier(f"{context}_service"), sql.Identifier(table)
        return [row for (row,) in self._connections[context].execute(query.format(*name)).fetchall()]

    def number(self, context: str, query: LiteralString) -> int:
        return int(self.rows(context, query)[0][0])

    def published(self) -> dict[str, dict[str, int]]:
        """Return how many events of each type each context has published, or is about to."""
        return {context: dict(self.rows(context, PUBLISHED)) for context in CONTEXTS}

    def handled(self) -> dict[str, dict[str, dict[str, int]]]:
        """Return how many events each handler of each context has taken, by outcome."""
        handled: dict[str, dict[str, dict[str, int]]] = {}
        for context in CONTEXTS:
            handlers = handled.setdefault(context, {})
            for consumer, outcome, count in self.rows(context, HANDLED):
                handlers.setdefault(consumer, {})[outcome.lower()] = count
        return handled

    def unhandled(self, subscriptions: Subscriptions) -> Counter[str]:
        """Return by handler how many events were published for it and not taken; negative if it took too many."""
        published = {type_: count for types in self.published().values() for type_, count in types.items()}
        taken = {name: sum(each.values()) for context in self.handled().values() for name, each in context.items()}
        expected = {name: published.get(type_, 0) for name, type_ in subscriptions.items()}
        difference = {name: expected.get(name, 0) - taken.get(name, 0) for name in {*expected, *taken}}
        return Counter({name: count for name, count in difference.items() if count})

    def queued(self, *queues: str) -> int:
        """Return how many events wait in queues, all unless named, that live in the database; none if the broker is
        another one."""
        if self._queues is None:
            return 0
        waiting = 0
        for (queue,) in self._queues.execute(QUEUES, [list(queues) or ALL_QUEUES]).fetchall():
            count = sql.SQL("SELECT count(*) FROM pgmq.{}").format(sql.Identifier(f"q_{queue}"))
            waiting += self._queues.execute(count).fetchall()[0][0]
        return waiting

    def unsettled(self, subscriptions: Subscriptions) -> dict[str, int]:
        """Return what still moves: counts by name, without those that are zero."""
        counts = {
            "outbox": sum(self.number(context, WAITING) for context in CONTEXTS),
            "queues": self.queued(),
            "handlers": sum(self.unhandled(subscriptions).values()),
            "sagas": sum(self.number(context, RUNNING_SAGAS) for context in CONTEXTS),
            "webhooks": self.number("order", OPEN_WEBHOOKS),
            "messages": self.number("notification", OPEN_MESSAGES),
        }
        return {name: count for name, count in counts.items() if count}

    def troubles(self) -> list[str]:
        """Return a line for each saga that has not ended and each event that a handler could not take, 20 at most."""
        found = [
            row for context in CONTEXTS for query in (STUCK_SAGAS, PARKED_REASONS) for row in self.rows(context, query)
        ]
        return [" · ".join(map(str, row)) for row in found]

    def ledger(self, kind: str) -> dict[str, Decimal]:
        """Return what was captured, or refunded, by payment method."""
        return {method: amount for method, each, amount in self.rows("order", LEDGER) if each == kind}


@contextmanager
def opened(environment: Mapping[str, str], var_dir: Path) -> Iterator[Books]:
    """Connect to the databases that an installation with this environment uses."""
    topology = Topology.from_environment({}, ports=dict.fromkeys(CONTEXTS, 0))
    configured = databases(topology, env=environment, var_dir=var_dir)
    broker_url = environment.get("BROKER_URL") or "pgmq://"
    queues = broker_database(configured, env=environment, var_dir=var_dir, broker_url=broker_url)
    with ExitStack() as stack:
        connections = {context: stack.enter_context(_connected(configured[context])) for context in CONTEXTS}
        yield Books(connections, stack.enter_context(_connected(queues)) if queues else None)


def _connected(database: Mapping[str, Any]) -> psycopg.Connection[Any]:
    return psycopg.connect(**administrator_of(database, dbname=database["NAME"]), autocommit=True)
