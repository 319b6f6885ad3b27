"""Sending what is due.

Claim, commit, send, record: no transaction is open while a provider is talked to. Outcomes are recorded every
``RECORD_EVERY`` messages, so that a worker that dies repeats at most that many, and the others after the lease.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from django.conf import settings

from contexts.notification.adapters import CHANNELS
from contexts.notification.domain import Channel, Reason
from contexts.notification.models import DeliveryAttempt, DeliveryLane, Message
from contexts.notification.queries import opted_out
from contexts.notification.usecases.composition import Composer
from contexts.notification.usecases.sending import Letter, send_all
from ecommerce.unit_of_work import unit_of_work

BATCH = 100
RECORD_EVERY = 20
LEASE = timedelta(minutes=5)
"""How long a claimed message is left alone. Sending stops at half of it; the rest of the batch is given back."""
LANE_LEASE = timedelta(minutes=1)


def due_channels(*, now: datetime) -> list[Channel]:
    """Return the channels on which something is due; what the delivery asks when it has nothing to do."""
    return Message.objects.due_channels(now=now)


def take_lane(*, channel: Channel, owner: UUID, now: datetime) -> bool:
    """Become the sender of a channel for a minute; say whether nobody else is."""
    with unit_of_work("notification"):
        return DeliveryLane.objects.take(channel=channel, owner=owner, now=now, until=now + LANE_LEASE)


def leave_lane(*, channel: Channel, owner: UUID, now: datetime) -> None:
    """Stop being the sender of a channel."""
    with unit_of_work("notification"):
        DeliveryLane.objects.leave(channel=channel, owner=owner, now=now)


@dataclass
class Clock:
    """The time of a run, from its start and a monotonic clock."""

    start: datetime
    _started: float = field(default_factory=time.monotonic)

    def elapsed(self) -> timedelta:
        return timedelta(seconds=time.monotonic() - self._started)

    def now(self) -> datetime:
        return self.start + self.elapsed()


def deliver_batch(*, channel: Channel, now: datetime, size: int = BATCH, lease: timedelta = LEASE) -> int:
    """Send up to ``size`` due messages of one channel and record what became of each. Return how many were due.

    The channel is talked to over ``DELIVERY_CONNECTIONS`` connections at once, each kept for the whole batch.

    Safe to run in several workers at once. At least once: a crash between send and record sends again after ``lease``.
    """
    clock = Clock(now)
    with unit_of_work("notification"):
        messages = Message.objects.claim(channel=channel, now=now, lease=lease, size=size)
    if not messages:
        return 0
    adapter = CHANNELS[channel]
    if not adapter.is_configured():
        for message in messages:
            message.suppress(Reason.CHANNEL_NOT_CONFIGURED)
        _record(messages, [])
        return len(messages)
    composer = Composer.for_messages(messages, channel=channel, now=now)
    refused = opted_out(messages)
    connections = min(settings.DELIVERY_CONNECTIONS, len(messages))
    with ThreadPoolExecutor(connections) as pool, ExitStack() as open_sessions:
        sessions = [open_sessions.enter_context(adapter.session()) for _ in range(connections)]
        for start in range(0, len(messages), RECORD_EVERY):
            chunk = messages[start : start + RECORD_EVERY]
            late = clock.elapsed() > lease / 2
            letters = _letters(chunk, refused, composer, late=late, now=clock.now())
            send_all(letters, sessions=sessions, pool=pool)
            _record(chunk, [letter.conclude(now=clock.now()) for letter in letters])
    return len(messages)


def _letters(
    messages: Sequence[Message], refused: Collection[UUID], composer: Composer, *, late: bool, now: datetime
) -> list[Letter]:
    """Return what is to be sent, composed; put aside what its recipient refuses by now, and everything if ``late``."""
    letters = []
    for message in messages:
        if message.id in refused:
            message.suppress(Reason.OPTED_OUT)
        elif late:
            message.postpone(now=now)
        else:
            letters.append(letter := Letter(message))
            letter.compose(composer)
    return letters


def _record(messages: Sequence[Message], attempts: Sequence[DeliveryAttempt]) -> None:
    with unit_of_work("notification"):
        Message.objects.settle(messages)
        DeliveryAttempt.objects.bulk_create(attempts)


def purge_messages(*, before: datetime, size: int = 1000) -> int:
    """Delete up to ``size`` closed messages from before ``before`` and their attempts: personal data must not stay for
    ever. Return how many."""
    with unit_of_work("notification"):
        return Message.objects.purge(before=before, size=size)
