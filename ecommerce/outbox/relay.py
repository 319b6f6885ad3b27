"""The relay: takes committed events from the outbox of one context and hands them to the broker.

Order per aggregate holds with any number of relays, because a relay leases whole partitions, for a bounded time on the
database's clock, and every takeover raises the partition's epoch: a relay that was stalled past its lease cannot move
rows any more. No transaction is open while publishing to a broker that is not the same database.
"""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import psycopg
import structlog
from django.db import connections, transaction
from psycopg import sql

from ecommerce.db.configuration import connection_parameters
from ecommerce.db.plans import planned_each_time
from ecommerce.ids import new_id
from ecommerce.messaging.broker import Broker, BrokerUnavailable, Published, Publisher
from ecommerce.messaging.envelope import Message
from ecommerce.messaging.traces import following_message, sending
from ecommerce.observability import metrics
from ecommerce.outbox.figures import figures
from ecommerce.outbox.models import PARTITIONS
from ecommerce.outbox.wake import channel
from ecommerce.topology import Context

LEASE_SECONDS = 10
RENEW_SECONDS = 3.0
POLL_SECONDS = 1.0
COUNT_SECONDS = 10.0
BATCH = 500
DEPTH = 16
"""Events read of one partition at least; more when a partition has more, and all of them together are few."""
CONFIRM_TIMEOUT = 10.0
MAX_ATTEMPTS = 10

ENSURE = """
    INSERT INTO outbox_partition (partition_no, epoch) SELECT n, 0 FROM generate_series(0, %(partitions)s - 1) AS n
    ON CONFLICT DO NOTHING
"""
HEARTBEAT = """
    INSERT INTO outbox_relay (owner, seen_at) VALUES (%(me)s, clock_timestamp())
    ON CONFLICT (owner) DO UPDATE SET seen_at = clock_timestamp()
"""
FORGET = """
    DELETE FROM outbox_relay WHERE owner = %(me)s OR seen_at < clock_timestamp() - make_interval(secs => %(lease)s)
"""
RENEW = """
    UPDATE outbox_partition SET lease_until = clock_timestamp() + make_interval(secs => %(lease)s)
    WHERE owner = %(me)s AND lease_until > clock_timestamp()
    RETURNING partition_no, epoch
"""
SHARE = """
    SELECT ceil(%(partitions)s::numeric / greatest(1, count(*))) FROM outbox_relay
    WHERE seen_at > clock_timestamp() - make_interval(secs => %(lease)s)
"""
CLAIM = """
    UPDATE outbox_partition AS p
    SET owner = %(me)s, epoch = p.epoch + 1, lease_until = clock_timestamp() + make_interval(secs => %(lease)s)
    FROM (
        SELECT partition_no FROM outbox_partition
        WHERE lease_until IS NULL OR lease_until <= clock_timestamp()
        ORDER BY partition_no LIMIT %(wanted)s FOR UPDATE SKIP LOCKED
    ) AS free
    WHERE p.partition_no = free.partition_no
    RETURNING p.partition_no, p.epoch
"""
RELEASE = """
    UPDATE outbox_partition SET owner = NULL, lease_until = NULL
    WHERE owner = %(me)s AND partition_no = ANY(%(released)s)
"""
UNBLOCK = """
    UPDATE outbox_event SET status = 'PENDING'
    WHERE status = 'BLOCKED' AND available_at <= clock_timestamp() AND partition_no = ANY(%(partitions)s)
"""
READ = """
    SELECT e.id, e.event_id, e.partition_no, e.aggregate_type, e.aggregate_id, e.event_type, e.payload::text,
           e.headers::text, e.attempts
    FROM unnest(%(partitions)s::smallint[]) AS held (partition_no)
    CROSS JOIN LATERAL (
        SELECT p.* FROM outbox_event p
        WHERE p.partition_no = held.partition_no AND p.status = 'PENDING'
          AND NOT EXISTS (
            SELECT 1 FROM outbox_event h
            WHERE h.aggregate_type = p.aggregate_type AND h.aggregate_id = p.aggregate_id
              AND h.status <> 'PENDING' AND h.id < p.id)
        ORDER BY p.id LIMIT %(depth)s
    ) AS e
    ORDER BY e.id LIMIT %(batch)s
"""
READ_ALL = """
    SELECT p.id, p.event_id, p.partition_no, p.aggregate_type, p.aggregate_id, p.event_type, p.payload::text,
           p.headers::text, p.attempts
    FROM outbox_event p
    WHERE p.status NOT IN ('BLOCKED', 'PARKED')
      AND NOT EXISTS (
        SELECT 1 FROM outbox_event h
        WHERE h.aggregate_type = p.aggregate_type AND h.aggregate_id = p.aggregate_id
          AND h.status <> 'PENDING' AND h.id < p.id)
    ORDER BY p.id LIMIT %(batch)s
"""
"""As READ, for a relay that holds every partition: a fifth of its time.

PENDING by what it is not: then the partial index of READ does not apply. By statistics from when the table was nearly
empty it looks cheaper than the primary key, and all that waits is sorted for each batch.
"""
MOVE = """
    WITH moved AS (
        DELETE FROM outbox_event e
        USING outbox_partition p, unnest(%(partitions)s::smallint[], %(epochs)s::bigint[]) AS held (partition_no, epoch)
        WHERE e.id = ANY(%(ids)s) AND p.partition_no = e.partition_no
          AND p.partition_no = held.partition_no AND p.epoch = held.epoch AND p.owner = %(me)s
        RETURNING e.*
    )
    INSERT INTO outbox_archive (id, event_id, aggregate_type, aggregate_id, aggregate_version, event_type, payload,
                                headers, attempts, origin, created_at, published_at)
    SELECT id, event_id, aggregate_type, aggregate_id, aggregate_version, event_type, payload, headers, attempts + 1,
           origin, created_at, clock_timestamp()
    FROM moved
"""
FAIL = """
    UPDATE outbox_event AS e
    SET attempts = e.attempts + 1, last_error = f.error,
        status = CASE WHEN e.attempts + 1 >= %(max)s THEN 'PARKED' ELSE 'BLOCKED' END,
        available_at = clock_timestamp() + make_interval(secs => f.pause)
    FROM unnest(%(ids)s::bigint[], %(errors)s::text[], %(pauses)s::float8[], %(epochs)s::bigint[])
         AS f (id, error, pause, epoch), outbox_partition p
    WHERE e.id = f.id AND e.status = 'PENDING'
      AND p.partition_no = e.partition_no AND p.epoch = f.epoch AND p.owner = %(me)s
"""

log = structlog.get_logger(__name__)


class LeaseGone(Exception):
    """Another relay has taken a partition over; nothing was handed off."""


class FollowersRefused(Exception):
    """An event was refused, and later ones of its aggregate are in the same batch; nothing was handed off."""


@dataclass(frozen=True)
class Row:
    """One pending event as the relay reads it."""

    id: int
    event_id: UUID
    partition_no: int
    aggregate_type: str
    aggregate_id: str
    event_type: str
    payload: str
    headers: str
    attempts: int

    def message(self) -> Message:
        return Message(self.event_id, self.event_type, self.headers, self.payload.encode())


class Relay:
    """Drains one context's outbox. One thread each; any number of them, in any number of processes, may run."""

    def __init__(self, context: Context, broker: Broker) -> None:
        self.context = context
        self.me = new_id()
        self.held: dict[int, int] = {}
        self._broker = broker
        self._publisher: Publisher = broker.publisher()
        self._renew_at = 0.0
        self._count_at = 0.0
        self._depth = DEPTH
        self.drained = False
        """Whether the last step left nothing to publish behind."""

    def run(self, stop: threading.Event) -> None:
        """Drain until ``stop`` is set, then publish what is left within one last round and give the leases back."""
        with self._listener() as listener:
            try:
                while not stop.is_set():
                    self.step()
                    self._show()
                    if self.drained:
                        self._await_work(listener, stop)
                self.step()
            finally:
                self._publisher.close()
                self._release_all()

    def _await_work(self, listener: psycopg.Connection[Any], stop: threading.Event) -> None:
        """Wait until a commit is announced; should an announcement be lost, until the leases are to be renewed.

        What commits after the last step has read is announced after that.
        """
        while not stop.is_set() and time.monotonic() < self._renew_at:
            self._publisher.keep_alive()
            if list(listener.notifies(timeout=POLL_SECONDS, stop_after=1)):
                return

    def step(self) -> int:
        """Renew the leases if due and publish one batch; return how many events left the outbox or failed."""
        if time.monotonic() >= self._renew_at:
            self._lease()
        self.drained = True
        if not self.held:
            return 0
        if self._broker.shares_database(self.context.alias):
            return self._hand_off()
        return self._publish()

    def _lease(self) -> None:
        """Renew what is held, give up what exceeds a fair share, claim what is missing to it."""
        parameters: dict[str, Any] = {"me": self.me, "lease": LEASE_SECONDS, "partitions": PARTITIONS}
        with transaction.atomic(using=self.context.alias), planned_each_time(self.context.alias) as cursor:
            if not self._renew_at:
                cursor.execute(ENSURE, parameters)
            cursor.execute(HEARTBEAT, parameters)
            cursor.execute(RENEW, parameters)
            kept = dict(cursor.fetchall())
            cursor.execute(SHARE, parameters)
            share = int(cursor.fetchone()[0])
            if surplus := sorted(kept)[share:]:
                cursor.execute(RELEASE, {**parameters, "released": surplus})
                kept = {number: epoch for number, epoch in kept.items() if number not in surplus}
            elif len(kept) < share:
                cursor.execute(CLAIM, {**parameters, "wanted": share - len(kept)})
                kept |= dict(cursor.fetchall())
            cursor.execute(UNBLOCK, {"partitions": sorted(kept)})
        for number in self.held.keys() - kept.keys():
            metrics.OUTBOX_LEASES_LOST.labels(self.context.name).inc()
            log.info("outbox_lease_gone", context=self.context.name, partition=number)
        self.held = kept
        self._renew_at = time.monotonic() + RENEW_SECONDS

    def _read(self) -> list[Row]:
        """Return the next events of every partition held, all in order of their ids."""
        alone = len(self.held) == PARTITIONS
        with planned_each_time(self.context.alias) as cursor:
            parameters: dict[str, Any] = {"partitions": sorted(self.held), "batch": BATCH, "depth": self._depth}
            cursor.execute(READ_ALL if alone else READ, parameters)
            rows = [Row(*row) for row in cursor.fetchall()]
        if alone:
            self.drained = len(rows) < BATCH
            return rows
        deepest = max(Counter(row.partition_no for row in rows).values(), default=0)
        self.drained = len(rows) < BATCH and deepest < self._depth
        more = len(rows) < BATCH and deepest == self._depth
        self._depth = min(BATCH, 2 * self._depth) if more else DEPTH
        return rows

    def _hand_off(self) -> int:
        """Move a batch from the outbox to the queues in one transaction: this hop has no duplicates."""
        rows = self._read()
        if not rows:
            return 0
        try:
            try:
                return self._hand_over(rows)
            except FollowersRefused:
                return self._hand_over(first_of_each_aggregate(rows))
        except LeaseGone:
            self.drained, self._renew_at = False, time.monotonic()
            return 0

    def _hand_over(self, rows: Sequence[Row]) -> int:
        messages = [row.message() for row in rows]
        with sending(messages, system=self._broker.system) as sent, transaction.atomic(using=self.context.alias):
            published = self._broker.hand_off(self.context.alias, sent)
            if published.refused:
                self.drained = False
                if len(first_of_each_aggregate(rows)) < len(rows):
                    raise FollowersRefused
            if self._settle(rows, published) < len(published.confirmed):
                raise LeaseGone
        self._count(rows, published)
        return len(rows)

    def _publish(self) -> int:
        """Publish a window, at most one unconfirmed event per aggregate, and archive what was confirmed."""
        read = self._read()
        rows = first_of_each_aggregate(read)
        if not rows:
            return 0
        self.drained = self.drained and len(rows) == len(read)
        try:
            with sending([row.message() for row in rows], system=self._broker.system) as sent:
                published = self._publisher.publish(sent, timeout=CONFIRM_TIMEOUT)
        except BrokerUnavailable as error:
            log.warning("broker_unavailable", context=self.context.name, error=str(error))
            time.sleep(random.uniform(0, POLL_SECONDS))  # noqa: S311
            self.drained = False
            return 0
        with transaction.atomic(using=self.context.alias):
            self._settle(rows, published)
        self._count(rows, published)
        return len(rows)

    def _settle(self, rows: Sequence[Row], published: Published) -> int:
        """Archive the confirmed rows while the lease is ours, and return how many that were; put the refused ones back
        with a growing pause."""
        moved = 0
        done = [row for row in rows if row.event_id in published.confirmed]
        refused = [row for row in rows if row.event_id in published.refused]
        with planned_each_time(self.context.alias) as cursor:
            if done:
                numbers = sorted({row.partition_no for row in done})
                epochs = [self.held[number] for number in numbers]
                ids = [row.id for row in done]
                cursor.execute(MOVE, {"me": self.me, "partitions": numbers, "epochs": epochs, "ids": ids})
                moved = int(cursor.rowcount)
            if refused:
                errors = [published.refused[row.event_id] for row in refused]
                pauses = [random.uniform(0, min(300, 2**row.attempts)) for row in refused]  # noqa: S311
                epochs = [self.held[row.partition_no] for row in refused]
                parameters: dict[str, Any] = {"me": self.me, "max": MAX_ATTEMPTS, "errors": errors, "pauses": pauses}
                parameters["epochs"] = epochs
                cursor.execute(FAIL, {**parameters, "ids": [row.id for row in refused]})
        return moved

    def _show(self) -> None:
        """Let the metrics say what is in the outbox, now and then."""
        if time.monotonic() < self._count_at:
            return
        self._count_at = time.monotonic() + COUNT_SECONDS
        name, found = self.context.name, figures(self.context.alias)
        for status in ("pending", "blocked", "parked"):
            metrics.OUTBOX_EVENTS.labels(name, status).set(getattr(found, status))
        metrics.OUTBOX_OLDEST_SECONDS.labels(name).set(found.oldest or 0)

    def _count(self, rows: Sequence[Row], published: Published) -> None:
        counts = Counter(
            (row.event_type, "refused" if row.event_id in published.refused else "published") for row in rows
        )
        for (type_, outcome), count in counts.items():
            metrics.outbox_processed(self.context.name, type_, outcome).inc(count)
        for row in rows:
            if reason := published.refused.get(row.event_id):
                with following_message(row.message()):
                    log.error("event_refused", context=self.context.name, event_type=row.event_type, reason=reason)

    def _release_all(self) -> None:
        with transaction.atomic(using=self.context.alias), connections[self.context.alias].cursor() as cursor:
            cursor.execute(RELEASE, {"me": self.me, "released": sorted(self.held)})
            cursor.execute(FORGET, {"me": self.me, "lease": LEASE_SECONDS})
        self.held, self._renew_at = {}, 0.0

    def _listener(self) -> psycopg.Connection[Any]:
        """Open the connection that listens for commits of this context."""
        parameters = connection_parameters(connections[self.context.alias].settings_dict)
        listener = psycopg.connect(**{**parameters, "application_name": "outbox-relay"}, autocommit=True)
        listener.execute(sql.SQL("LISTEN {}").format(sql.Identifier(channel(self.context.alias))))
        return listener


def first_of_each_aggregate(rows: Sequence[Row]) -> list[Row]:
    """Return the oldest row of each aggregate, in order."""
    first: dict[tuple[str, str], Row] = {}
    for row in rows:
        first.setdefault((row.aggregate_type, row.aggregate_id), row)
    return list(first.values())
