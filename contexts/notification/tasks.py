"""Beat jobs of notification."""

import time
from datetime import timedelta

from celery import shared_task
from django.conf import settings

from contexts.notification import usecases
from contexts.notification.domain import Channel
from ecommerce.clock import now
from ecommerce.ids import new_id

RUN_SECONDS = 20
"""How long one run of the delivery goes on while there is something due."""


@shared_task(name="notification.deliver_due")
def deliver_due() -> int:
    """Send what is due on every channel that no other worker is sending on. Return how many messages were handled."""
    deadline = time.monotonic() + RUN_SECONDS
    return sum(_deliver_channel(channel, deadline) for channel in usecases.due_channels(now=now()))


@shared_task(name="notification.purge_messages")
def purge_messages() -> int:
    """Delete closed messages past their retention. Return how many."""
    before = now() - timedelta(days=settings.MESSAGE_RETENTION_DAYS)
    deadline, purged = time.monotonic() + RUN_SECONDS, 0
    while time.monotonic() < deadline and (count := usecases.purge_messages(before=before)):
        purged += count
    return purged


def _deliver_channel(channel: Channel, deadline: float) -> int:
    owner, handled = new_id(), 0
    if not usecases.take_lane(channel=channel, owner=owner, now=now()):
        return 0
    try:
        while time.monotonic() < deadline and (count := usecases.deliver_batch(channel=channel, now=now())):
            handled += count
    finally:
        usecases.leave_lane(channel=channel, owner=owner, now=now())
    return handled
