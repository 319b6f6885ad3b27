"""Prometheus metrics.

Several web processes and workers share one set of numbers when ``PROMETHEUS_MULTIPROC_DIR`` names a directory: each
process writes its own files there, and whoever is scraped adds them up. The variable must be set before this module is
imported, so the run command sets it, after :func:`clear_directory`.
"""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

HTTP_SECONDS = Histogram(
    "http_request_duration_seconds",
    "Time from the first middleware to the response, by route pattern.",
    ["route", "method", "status"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)
OUTBOX_PROCESSED = Counter(
    "outbox_events_processed_total",
    "Events that left the outbox, by outcome: published, refused.",
    ["service", "event_type", "status"],
)
OUTBOX_EVENTS = Gauge(
    "outbox_events",
    "Events in the outbox, as a relay last counted them: pending, blocked, parked.",
    ["service", "status"],
    multiprocess_mode="mostrecent",
)
OUTBOX_OLDEST_SECONDS = Gauge(
    "outbox_oldest_pending_seconds",
    "Age of the oldest pending event, as a relay last saw it; 0 without one.",
    ["service"],
    multiprocess_mode="mostrecent",
)
OUTBOX_LEASES_LOST = Counter(
    "outbox_leases_lost_total",
    "Outbox partitions that a relay held and did not keep, given up or taken over.",
    ["service"],
)
INBOX_HANDLED = Counter(
    "inbox_messages_handled_total",
    "Messages given to a handler, by outcome: handled, ignored, duplicate, parked, failed (parked before, and refused "
    "once more).",
    ["service", "consumer", "outcome"],
)
INBOX_PARKED = Gauge(
    "inbox_messages_parked",
    "Messages that a handler could not take, as the consumer last counted them: retry, parked.",
    ["service", "status"],
    multiprocess_mode="mostrecent",
)
STAFF_CASES = Gauge(
    "staff_cases_open",
    "Cases that wait for a person, by kind, as they were last counted.",
    ["service", "kind"],
    multiprocess_mode="mostrecent",
)
SAGA_STEP_SECONDS = Histogram(
    "saga_step_seconds",
    "Time of one attempt of a step with its record, by direction (DO, UNDO) and outcome (DONE, WAITING, FAILED, …).",
    ["service", "saga", "step", "direction", "outcome"],
    buckets=(0.01, 0.05, 0.1, 0.5, 1, 5, 15, 60),
)
SAGAS_ENDED = Counter(
    "sagas_ended_total",
    "Sagas that ended, by status: COMPLETED, COMPENSATED, PARKED.",
    ["service", "saga", "status"],
)
SAGAS_OPEN = Gauge(
    "sagas_open",
    "Sagas that have not ended well, as a worker last counted them: RUNNING, WAITING, COMPENSATING, PARKED.",
    ["service", "saga", "status"],
    multiprocess_mode="mostrecent",
)
SAGA_OLDEST_SECONDS = Gauge(
    "saga_oldest_seconds",
    "Age of the oldest open saga, as a worker last saw it; 0 without one.",
    ["service", "saga", "status"],
    multiprocess_mode="mostrecent",
)
SAGA_OVERDUE_SECONDS = Gauge(
    "saga_overdue_seconds",
    "How long the saga that is due longest has waited for a worker; 0 when none is overdue.",
    ["service"],
    multiprocess_mode="mostrecent",
)
PAYMENTS = Counter(
    "payments_total",
    "Changes of payments, by the status that a payment reached: captured, declined, unknown, …",
    ["method", "gateway", "outcome"],
)
OUTGOING_SECONDS = Histogram(
    "outgoing_request_seconds",
    "Time of a request to another system (payment gateway, SMS, postal codes), by status or class of error.",
    ["peer", "method", "outcome"],
    buckets=(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
)
POOL_CONNECTIONS = Gauge(
    "db_pool_connections",
    "Connections of the pools of all living processes: in_use, idle.",
    ["alias", "state"],
    multiprocess_mode="livesum",
)
POOL_LIMIT = Gauge(
    "db_pool_limit",
    "How many connections the pools of all living processes may open.",
    ["alias"],
    multiprocess_mode="livesum",
)
POOL_WAITING = Gauge(
    "db_pool_waiting",
    "Threads that wait for a connection.",
    ["alias"],
    multiprocess_mode="livesum",
)
POOL_WAITED = Counter("db_pool_waits_total", "Requests for a connection that had to wait for one.", ["alias"])
POOL_TIMEOUTS = Counter("db_pool_timeouts_total", "Requests for a connection that were given up.", ["alias"])
EVENT_SECONDS = Histogram(
    "event_effect_seconds",
    "Time from the publishing of an event to its effect, by the subscriber.",
    ["service"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5, 30, 120, 600),
)
CALLS = Counter(
    "calls_total",
    "Calls over HTTP to other contexts, by outcome: ok, refused, unreachable, timeout, unavailable, crashed, rejected, "
    "deadline, open, failed. Calls within a process are not counted.",
    ["interface", "method", "outcome"],
)
CALL_SECONDS = Histogram(
    "call_duration_seconds",
    "Time that a call over HTTP took its caller, with all attempts.",
    ["interface", "method"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)
BREAKER_STATE = Gauge(
    "call_breaker_state",
    "The circuit breaker of a called context, as seen by its latest caller: 0 closed, 1 half open, 2 open.",
    ["context"],
    multiprocess_mode="mostrecent",
)


def multiprocess_directory() -> Path | None:
    """Return the directory that the processes share, or None when this process counts alone."""
    directory = os.environ.get("PROMETHEUS_MULTIPROC_DIR")
    return Path(directory) if directory else None


@lru_cache(maxsize=4096)
def http_seconds(route: str, method: str, status: int) -> Histogram:
    """Return the histogram of one route; looking a label set up costs more than counting."""
    return HTTP_SECONDS.labels(route, method, str(status))


@lru_cache(maxsize=4096)
def saga_step_seconds(service: str, saga: str, step: str, direction: str, outcome: str) -> Histogram:
    return SAGA_STEP_SECONDS.labels(service, saga, step, direction, outcome)


@lru_cache(maxsize=4096)
def outbox_processed(service: str, event_type: str, status: str) -> Counter:
    return OUTBOX_PROCESSED.labels(service, event_type, status)


@lru_cache(maxsize=4096)
def inbox_handled(service: str, consumer: str, outcome: str) -> Counter:
    return INBOX_HANDLED.labels(service, consumer, outcome)


@lru_cache(maxsize=64)
def event_seconds(service: str) -> Histogram:
    return EVENT_SECONDS.labels(service)


def exposition() -> bytes:
    """Return all metrics in the Prometheus text format, of all processes when they share a directory."""
    directory = multiprocess_directory()
    if directory is None:
        return generate_latest(REGISTRY)
    forget_the_dead(directory)
    registry = CollectorRegistry()
    MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return generate_latest(registry)


def forget_the_dead(directory: Path) -> None:
    """Remove what processes that are gone said of their present state, such as their connections. Their counts stay."""
    for file in directory.glob("gauge_live*_*.db"):
        process = file.stem.rpartition("_")[2]
        if not Path(f"/proc/{process}").exists():
            file.unlink(missing_ok=True)


def clear_directory(directory: Path) -> None:
    """Create ``directory``, or empty it of all that was counted. Call it before any process starts: it spares none."""
    directory.mkdir(parents=True, exist_ok=True)
    for file in directory.glob("*.db"):
        file.unlink()
