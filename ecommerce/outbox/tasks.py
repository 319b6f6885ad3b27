"""Housekeeping of the outbox."""

from celery import shared_task
from django.conf import settings

from ecommerce import clock
from ecommerce.outbox.archive import maintain
from ecommerce.topology import local_aliases


@shared_task(name="ecommerce.outbox.maintain")
def maintain_archives() -> None:
    """Make the coming days' archive partitions and drop the expired ones, in every local context."""
    for alias in local_aliases():
        maintain(alias, now=clock.now(), keep_days=settings.OUTBOX_ARCHIVE_DAYS)
