"""A handler whose effects can be counted, and messages for it."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

from django.db import connections

from contexts.order.events import OrderPlaced
from ecommerce import clock, codec
from ecommerce.ids import new_id
from ecommerce.inbox.consumer import Consumer
from ecommerce.inbox.models import ParkedMessage
from ecommerce.messaging.broker import Delivery
from ecommerce.messaging.envelope import Envelope
from ecommerce.unit_of_work import unit_of_work


class Effects:
    """A handler that writes one row per event, and can be made to fail."""

    def __init__(self) -> None:
        self.failing: set[UUID] = set()
        self.error: BaseException = ValueError("not now")

    def __call__(self, event: OrderPlaced, envelope: Envelope) -> None:
        if event.order_id in self.failing:
            raise self.error
        with unit_of_work("order"), connections["order"].cursor() as cursor:
            cursor.execute("INSERT INTO test_effects VALUES (%s, %s)", [event.order_id, envelope.sequence])


def delivery(order_id: UUID, version: int = 1, *, event_id: UUID | None = None, again: bool = False) -> Delivery:
    envelope = Envelope(
        id=event_id or new_id(), source="/contexts/order", type=OrderPlaced.type, subject=str(order_id),
        time=clock.now(), partitionkey=str(order_id), sequence=version,
    )  # fmt: skip
    return Delivery(1, envelope.headers(), codec.encode(OrderPlaced(order_id=order_id, number="N")), again)


def written() -> list[tuple[UUID, int]]:
    with connections["order"].cursor() as cursor:
        cursor.execute("SELECT order_id, version FROM test_effects ORDER BY version")
        return cursor.fetchall()


def retry(consumer: Consumer) -> None:
    """Let every pause be over and try the parked messages."""
    ParkedMessage.objects.using("order").update(available_at=datetime(2000, 1, 1, tzinfo=UTC))
    consumer.retry_due()
