"""The consumer: takes the messages of one context's queue and runs the handlers of that context.

One transaction holds the inbox row, the effect and the new events of a message, and those of other messages of its
batch; the acknowledgement follows the commit. A message that a handler cannot take leaves the queue for
``inbox_parked``, and what follows it on the same key queues up behind it there, so that one poison message stops one
aggregate and nothing else.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import timedelta
from typing import Any, NamedTuple
from uuid import UUID

import structlog
from django.db import connections, transaction
from django.db.models import CharField
from django.db.models.functions import Now

from ecommerce import clock, codec
from ecommerce.db.plans import planned_each_time
from ecommerce.errors import Unreachable
from ecommerce.inbox import storable
from ecommerce.inbox.figures import figures
from ecommerce.inbox.group import grouped
from ecommerce.inbox.models import ParkedMessage, ParkedStatus
from ecommerce.inbox.receipt import (
    LAST,
    AlreadyHandled,
    KeyBlocked,
    Overtaken,
    Receipt,
    claim,
    count_start,
    forget_starts,
    in_order,
    insert,
    note_ignored,
    receiving,
)
from ecommerce.inbox.registry import Handler, handlers
from ecommerce.messaging.broker import Broker, BrokerUnavailable, Delivery
from ecommerce.messaging.envelope import Envelope
from ecommerce.messaging.traces import following
from ecommerce.messaging.upcasting import upcast, with_older
from ecommerce.observability import metrics, tracing
from ecommerce.topology import Context, current

BATCH = 100
POLL_SECONDS = 1.0
RETRY_EVERY = 1.0
LOOK_EVERY = 5.0
"""How often a consumer that knows of nothing parked looks whether somebody gave it something to try again."""
COUNT_EVERY = 10.0
MAX_ATTEMPTS = 10
LONGEST_PAUSE = 300.0
LONGEST_WAIT = 30.0
"""Seconds between two attempts to reach a neighbour; its circuit breaker makes them cheap."""
KILLER = 5
"""A message that a handler began with so often, and never ended, is taken to be what kills the consumer."""

DUE = """
    SELECT p.id, p.consumer, p.headers, p.body, p.attempts, extract(epoch FROM clock_timestamp() - p.created_at)::float8
    FROM inbox_parked p
    WHERE p.status = 'RETRY' AND p.available_at <= clock_timestamp() AND p.consumer = ANY(%s)
      AND NOT EXISTS (SELECT 1 FROM inbox_parked e
                      WHERE e.consumer = p.consumer AND e.partition_key = p.partition_key AND e.id < p.id)
    ORDER BY p.id LIMIT %s
"""

log = structlog.get_logger(__name__)


class DiedOfIt(Exception):
    """What a parked message is said to have done until its attempt has an outcome."""


class Job(NamedTuple):
    """One message for one handler."""

    handler: Handler
    delivery: Delivery
    envelope: Envelope
    event: Any

    @property
    def key(self) -> tuple[str, UUID]:
        return self.handler.name, self.envelope.id


class Consumer:
    """Handles the queue of one context. Only one consumer of a queue is active at a time; the others stand by."""

    def __init__(self, context: Context, broker: Broker) -> None:
        self.context = context
        self._broker = broker
        self._handlers: dict[str, list[Handler]] = {}
        for handler in handlers(context=context.name):
            for type_ in with_older([handler.event.type]):
                self._handlers.setdefault(type_, []).append(handler)
        self._retry_at = 0.0
        self._count_at = 0.0
        self._waiting = True
        """Whether parked messages may wait for another attempt."""

    def run(self, stop: threading.Event) -> None:
        """Handle messages until ``stop`` is set; the batch in hand is finished first."""
        subscription = self._broker.subscribe(self.context.queue)
        try:
            while not stop.is_set():
                try:
                    deliveries = subscription.receive(limit=BATCH, timeout=POLL_SECONDS)
                    if deliveries:
                        self.handle(deliveries)
                        subscription.acknowledge(deliveries)
                        self._lend_connections()
                except BrokerUnavailable as error:
                    log.warning("broker_unavailable", context=self.context.name, error=str(error))
                    stop.wait(random.uniform(0, POLL_SECONDS))  # noqa: S311
                if time.monotonic() >= self._retry_at:
                    self.retry_due()
                    self._show()
                    self._retry_at = time.monotonic() + (RETRY_EVERY if self._waiting else LOOK_EVERY)
        finally:
            subscription.close()

    def handle(self, deliveries: Sequence[Delivery]) -> None:
        """Handle a batch in order. When it returns, every message took effect, was a duplicate, or is parked.

        The effects share a transaction where they can: not in a batch that was delivered before, and may hold what
        killed a consumer.
        """
        jobs = [job for delivery in deliveries for job in self._jobs(delivery)]
        if any(delivery.again for delivery in deliveries):
            for job in jobs:
                self._deliver_again(job)
            forget_starts(self.context.alias, [job.envelope.id for job in jobs])
            return
        for job in self._together(jobs) if len(jobs) > 1 else jobs:
            self._deliver(job)

    def retry_due(self) -> None:
        """Try the parked messages whose pause is over, the oldest of each key first.

        Those of a handler that is no more wait until they are discarded.
        """
        by_name = {handler.name: handler for group in self._handlers.values() for handler in group}
        with planned_each_time(self.context.alias) as cursor:
            cursor.execute(DUE, [list(by_name), BATCH])
            due = cursor.fetchall()
        self._waiting = self._waiting or bool(due)
        for row_id, consumer, headers, body, attempts, age in due:
            parked = ParkedMessage.objects.using(self.context.alias).filter(id=row_id)
            headers = headers if isinstance(headers, dict) else codec.decode(headers, dict[str, Any])
            handler = by_name[consumer]
            # Counted before it is tried: should it kill this process, it runs out of attempts all the same.
            parked.update(**_after_failure(attempts + 1, DiedOfIt("no outcome")))
            try:
                envelope = Envelope.from_headers(headers)
                self._run(handler, envelope, _event(handler, envelope, body.encode()), before=row_id)
            except Unreachable as error:
                self._survive()
                metrics.inbox_handled(self.context.name, consumer, "failed").inc()
                parked.update(**_while_unreachable(attempts, error, age))
            except Exception as error:
                self._survive()
                metrics.inbox_handled(self.context.name, consumer, "failed").inc()
                parked.update(**_after_failure(attempts + 1, error))
            else:
                parked.delete()

    def _jobs(self, delivery: Delivery) -> list[Job]:
        """Return what is to be done about a message; one that nobody can read is parked at once."""
        try:
            envelope = Envelope.from_headers(delivery.headers)
        except codec.Undecodable as error:
            self._park(self.context.name, delivery, None, str(error), status=ParkedStatus.PARKED)
            return []
        jobs = []
        for handler in self._handlers.get(envelope.type, []):
            try:
                jobs.append(Job(handler, delivery, envelope, _event(handler, envelope, delivery.data)))
            except codec.Undecodable as error:
                self._park(handler.name, delivery, envelope, f"Undecodable: {error}", status=ParkedStatus.PARKED)
        if envelope.type not in self._handlers:
            self._park(self.context.name, delivery, envelope, "unknown event type", status=ParkedStatus.PARKED)
        return jobs

    def _together(self, jobs: Sequence[Job]) -> list[Job]:
        """Handle messages in one transaction; return those that must be handled one by one: all of them if any failed,
        else those that were handled before, overtaken, or whose key is blocked."""
        try:
            read = _read_together(jobs)
            with grouped(self.context.alias):
                outcomes = _consume_together(jobs, read)
        except (Exception, SystemExit) as error:
            self._survive()
            log.warning("group_given_up", context=self.context.name, messages=len(jobs), reason=repr(error))
            return list(jobs)
        for job in jobs:
            if outcome := outcomes.get(job.key):
                self._count(job.handler, job.envelope, outcome)
        return [job for job in jobs if job.key not in outcomes]

    def _deliver_again(self, job: Job) -> None:
        """Handle a message of which an earlier reader may have died; one that kills again and again is parked."""
        handler, delivery, envelope, _ = job
        starts = count_start(_receipt(handler, envelope))
        if not starts:
            self._count(handler, envelope, "duplicate")
        elif starts > KILLER:
            reason = f"begun {starts} times without an outcome"
            self._park(handler.name, delivery, envelope, reason, status=ParkedStatus.PARKED)
        else:
            self._deliver(job)

    def _deliver(self, job: Job) -> None:
        handler, delivery, envelope, event = job
        try:
            self._run(handler, envelope, event)
        except KeyBlocked:
            self._park(handler.name, delivery, envelope, "waits for an earlier message of its key")
        except Unreachable as error:
            self._survive()
            log.warning("neighbour_unreachable", consumer=handler.name, event_id=str(envelope.id), reason=error.detail)
            self._park(handler.name, delivery, envelope, _told(error))
        except Exception as error:
            self._survive()
            with following(envelope):
                log.exception(
                    "handler_failed", consumer=handler.name, event_type=envelope.type, event_id=str(envelope.id)
                )
            failure = _after_failure(1, error)
            self._park(handler.name, delivery, envelope, failure["reason"], status=failure["status"], attempts=1)

    def _run(self, handler: Handler, envelope: Envelope, event: Any, *, before: int = LAST) -> None:
        """Run one handler for one message, once and for all.

        Raises:
            KeyBlocked
            Overtaken
            Exception: whatever the handler raised; nothing of it was kept.
        """
        try:
            outcome = consume(handler, envelope, event, before=before)
        except SystemExit as error:
            raise RuntimeError(f"the handler tried to end the process: {error}") from error
        self._count(handler, envelope, outcome)

    def _count(self, handler: Handler, envelope: Envelope, outcome: str) -> None:
        metrics.inbox_handled(self.context.name, handler.name, outcome).inc()
        if outcome == "handled" and not envelope.replay:
            seconds = (clock.now() - envelope.time).total_seconds()
            metrics.event_seconds(self.context.name).observe(max(seconds, 0))

    def _show(self) -> None:
        """Let the metrics say what is parked, now and then."""
        if time.monotonic() >= self._count_at:
            self._count_at = time.monotonic() + COUNT_EVERY
            found = figures(self.context.alias)
            metrics.INBOX_PARKED.labels(self.context.name, "retry").set(found.waiting)
            metrics.INBOX_PARKED.labels(self.context.name, "parked").set(found.parked)
            self._waiting = found.waiting > 0

    def _park(
        self,
        consumer: str,
        delivery: Delivery,
        envelope: Envelope | None,
        reason: str,
        *,
        status: str = ParkedStatus.RETRY,
        attempts: int = 0,
    ) -> None:
        """Lay a message aside, whatever it holds: one that could not be parked would stop the queue."""
        ParkedMessage.objects.using(self.context.alias).bulk_create(
            [
                ParkedMessage(
                    consumer=consumer,
                    message_id=envelope.id if envelope else None,
                    partition_key=_fitting("partition_key", envelope.partitionkey) if envelope else "",
                    event_type=_fitting("event_type", envelope.type) if envelope else "",
                    headers=storable.json(delivery.headers),
                    body=storable.text(delivery.data.decode(errors="replace")),
                    reason=storable.text(reason),
                    status=status,
                    attempts=attempts,
                    available_at=Now() + _pause(attempts),
                    created_at=Now(),
                )
            ],
            ignore_conflicts=True,
        )
        self._waiting, self._retry_at = True, min(self._retry_at, time.monotonic() + RETRY_EVERY)
        metrics.inbox_handled(self.context.name, consumer, "parked").inc()

    def _lend_connections(self) -> None:
        """Give connections to other contexts' databases, opened by calls of handlers, back to their pools."""
        for connection in connections.all(initialized_only=True):
            if connection.alias != self.context.alias:
                connection.close()

    def _survive(self) -> None:
        """Replace connections that the failure may have broken."""
        for connection in connections.all(initialized_only=True):
            connection.close_if_unusable_or_obsolete()


def consume(handler: Handler, envelope: Envelope, event: Any, *, before: int = LAST) -> str:
    """Run ``handler`` for one message and return ``handled``, ``ignored`` or ``duplicate``.

    A handler that opened no unit of work had nothing to change; the inbox remembers that too.

    Raises:
        KeyBlocked: an earlier message of its key is parked, before the number ``before``.
        Overtaken: a later version of its aggregate was handled.
        Exception: the handler failed; its transaction is gone, inbox row included.
    """
    receipt = _receipt(handler, envelope, before=before)
    try:
        with _processing(handler, envelope):
            read = handler.read([event])
            with receiving(receipt):
                handler.function(event, envelope, *read)
        if receipt.recorded:
            return "handled"
        with transaction.atomic(using=handler.context):
            insert(receipt, outcome="IGNORED")
    except AlreadyHandled:
        return "duplicate"
    return "ignored"


def _read_together(jobs: Sequence[Job]) -> dict[tuple[str, UUID], tuple[Any, ...]]:
    """Fetch what handlers need of other contexts, once for all that fetch it in the same way."""
    alike: dict[Callable[..., Any] | None, list[Job]] = {}
    for job in jobs:
        alike.setdefault(job.handler.reading, []).append(job)
    read = {}
    for group in alike.values():
        first, *others = (job.envelope for job in group)
        links = [envelope.traceparent for envelope in others]
        span = tracing.span(f"read for {group[0].handler.context}", parent=first.traceparent, links=links)
        with following(first), span:
            found = group[0].handler.read([job.event for job in group])
        read.update(dict.fromkeys((job.key for job in group), found))
    return read


def _consume_together(
    jobs: Sequence[Job], read: Mapping[tuple[str, UUID], tuple[Any, ...]]
) -> dict[tuple[str, UUID], str]:
    """Run handlers in the open group; return the outcome of every message that was new, in order and not blocked."""
    receipts = [_receipt(job.handler, job.envelope) for job in jobs]
    claimed = claim(in_order(receipts), outcome="HANDLED")
    begun = []
    for job, receipt in zip(jobs, receipts, strict=True):
        if receipt.key in claimed:
            claimed.discard(receipt.key)
            receipt.claimed = True
            with _processing(job.handler, job.envelope), receiving(receipt):
                job.handler.function(job.event, job.envelope, *read[job.key])
            begun.append(receipt)
    note_ignored([receipt for receipt in begun if not receipt.recorded])
    return {receipt.key: "handled" if receipt.recorded else "ignored" for receipt in begun}


def _event(handler: Handler, envelope: Envelope, data: bytes) -> Any:
    """Return the event as the handler takes it; an older version is brought up to date first.

    Raises:
        codec.Undecodable
    """
    _, data = upcast(envelope.type, data, handled={handler.event.type})
    return codec.decode(data, handler.event)


def _receipt(handler: Handler, envelope: Envelope, *, before: int = LAST) -> Receipt:
    """Return what the handler owes the inbox. A message from ``inbox_parked`` or of a replay comes late on purpose, and
    what is replayed overtakes nothing that the queue still holds."""
    return Receipt(
        handler.context, handler.name, envelope.id, envelope.type, envelope.partitionkey,
        sequence=0 if envelope.replay else envelope.sequence,
        latest=LAST if envelope.replay or before < LAST else envelope.sequence, before=before,
    )  # fmt: skip


def _processing(handler: Handler, envelope: Envelope) -> AbstractContextManager[object]:
    """Let what one handler makes of one event name it as its cause; with tracing it is a span as well."""
    return _traced(handler, envelope) if tracing.ENABLED else following(envelope)


@contextmanager
def _traced(handler: Handler, envelope: Envelope) -> Iterator[None]:
    attributes = {
        "messaging.operation.type": "process",
        "messaging.operation.name": "process",
        "messaging.destination.name": current()[handler.context].queue,
        "messaging.consumer.group.name": handler.name,
        "messaging.message.id": str(envelope.id),
        "messaging.rabbitmq.destination.routing_key": envelope.type,
    }
    span = tracing.span(f"process {handler.name}", attributes, kind="consumer", parent=envelope.traceparent)
    with following(envelope), span:
        yield


def _while_unreachable(attempts: int, error: Unreachable, age: float) -> dict[str, Any]:
    """Return what a parked message is to be told when a neighbour that its handler asks is not there: it is nobody's
    fault, so it is not counted, and tried for ever, after a random pause up to as long as it has waited already."""
    pause = timedelta(seconds=random.uniform(0, min(LONGEST_WAIT, max(age, 1.0))))  # noqa: S311
    return {"reason": _told(error), "attempts": attempts, "status": ParkedStatus.RETRY, "available_at": Now() + pause}


def _told(error: Exception) -> str:
    return storable.text(f"{type(error).__name__}: {error}")


def _fitting(column: str, value: str) -> str:
    field = ParkedMessage._meta.get_field(column)
    assert isinstance(field, CharField)
    return storable.text(value)[: field.max_length]


def _pause(attempts: int) -> timedelta:
    """Full jitter: anything up to twice as long after each attempt, at most five minutes."""
    return timedelta(seconds=random.uniform(0, min(LONGEST_PAUSE, 2.0**attempts)))  # noqa: S311


def _after_failure(attempts: int, error: Exception) -> dict[str, Any]:
    """Return what a parked message is to be told. Its pause is on the database's clock, which all workers share."""
    hopeless = isinstance(error, (codec.Undecodable, Overtaken)) or attempts >= MAX_ATTEMPTS
    return {
        "reason": _told(error),
        "attempts": attempts,
        "status": ParkedStatus.PARKED if hopeless else ParkedStatus.RETRY,
        "available_at": Now() + _pause(attempts),
    }
