"""Celery: the broker, the schedule, and what makes tasks safe to repeat."""

from collections.abc import Mapping
from typing import Any

from psycopg.conninfo import make_conninfo

from ecommerce.db.configuration import connection_parameters
from ecommerce.topology import BackOffice, Topology

PGMQ_OPTIONS = {
    "init_extension": False,
    "use_notify": True,
    "notify_throttle_interval_ms": 0,
    "wait_time_seconds": 0,
    "polling_interval": 5,
    "visibility_timeout": 1800,
    "pool_size": 4,
}
"""For kombu's transport. Without throttle and long poll a task starts within milliseconds."""


def celery_settings(broker_url: str, broker_database: Mapping[str, Any], topology: Topology) -> dict[str, Any]:
    """Return the ``CELERY_…`` settings for a broker URL: ``amqp(s)://…``, or ``pgmq://`` with its database."""
    schedule = {name: entry for context in topology.served for name, entry in SCHEDULES.get(context.name, {}).items()}
    if topology.served:
        schedule |= PLATFORM_SCHEDULE
    if topology.back_office is not BackOffice.FALSE:
        schedule |= BACK_OFFICE_SCHEDULE
    options: dict[str, Any] = {"confirm_publish": True}
    if broker_database:
        options = {**PGMQ_OPTIONS, "conn_string": make_conninfo("", **connection_parameters(broker_database))}
    return {
        "CELERY_BROKER_URL": "pgmq://" if broker_database else broker_url,
        "CELERY_BROKER_TRANSPORT_OPTIONS": options,
        "CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP": True,
        "CELERY_TASK_QUEUES": {queue: {"exchange": queue, "routing_key": queue} for queue in topology.task_queues},
        "CELERY_TASK_DEFAULT_QUEUE": topology.task_queues[0],
        "CELERY_TASK_ROUTES": {f"{each.name}.*": {"queue": each.task_queue} for each in topology.contexts},
        "CELERY_TASK_IGNORE_RESULT": True,
        "CELERY_TASK_ACKS_LATE": True,
        "CELERY_TASK_REJECT_ON_WORKER_LOST": True,
        "CELERY_WORKER_POOL": "threads",
        "CELERY_WORKER_CONCURRENCY": 4,
        "CELERY_WORKER_PREFETCH_MULTIPLIER": 1,
        "CELERY_WORKER_ENABLE_REMOTE_CONTROL": False,
        "CELERY_WORKER_HIJACK_ROOT_LOGGER": False,
        "CELERY_BEAT_SCHEDULE": {
            name: {"task": task, "schedule": seconds, "options": {"expires": max(seconds, 5.0)}}
            for name, (task, seconds) in schedule.items()
        },
        "CELERY_TIMEZONE": "UTC",
    }


PLATFORM_SCHEDULE: dict[str, tuple[str, float]] = {
    "resume sagas": ("ecommerce.saga.resume", 5.0),
    "maintain outbox archives": ("ecommerce.outbox.maintain", 3600.0),
    "maintain inboxes": ("ecommerce.inbox.maintain", 86400.0),
}
BACK_OFFICE_SCHEDULE: dict[str, tuple[str, float]] = {"continue replays": ("config.continue_replays", 5.0)}
"""A replay reads the events of one context and writes what another makes of them: it needs the databases of both."""
SCHEDULES: dict[str, dict[str, tuple[str, float]]] = {
    "catalog": {
        "release expired reservations": ("catalog.release_expired_reservations", 30.0),
        "refresh best sellers": ("catalog.refresh_best_sellers", 300.0),
    },
    "cart": {
        "detect abandoned carts": ("cart.detect_abandoned", 60.0),
        "expire idle carts": ("cart.expire_idle", 3600.0),
    },
    "notification": {
        "deliver messages": ("notification.deliver_due", 5.0),
        "purge old messages": ("notification.purge_messages", 86400.0),
    },
    "identity": {"clear old sessions": ("identity.clear_sessions", 86400.0)},
    "order": {
        "process webhooks": ("order.process_webhooks", 2.0),
        "ask about open payments": ("order.ask_about_open_payments", 60.0),
        "reconcile payments": ("order.reconcile_payments", 3600.0),
        "reconcile payments of a month": ("order.reconcile_month", 86400.0),
        "purge idempotency keys": ("order.purge_idempotency_keys", 600.0),
    },
}
"""Task name and period in seconds, by context."""
