"""Housekeeping of the inbox."""

from datetime import timedelta

from celery import shared_task
from django.conf import settings

from ecommerce import clock
from ecommerce.inbox.retention import forget
from ecommerce.topology import local_aliases

IN_QUEUES_DAYS = 30
"""How long a message may lie in a queue, at the very most."""


@shared_task(name="ecommerce.inbox.maintain")
def maintain_inboxes() -> None:
    """Forget the messages that nobody can deliver or replay any more, in every local context."""
    days = max(settings.INBOX_RETENTION_DAYS, settings.OUTBOX_ARCHIVE_DAYS + IN_QUEUES_DAYS)
    for alias in local_aliases():
        forget(alias, before=clock.now() - timedelta(days=days))
