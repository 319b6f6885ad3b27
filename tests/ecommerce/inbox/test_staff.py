"""Trying parked messages again, those included that came before the program knew their type."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from contexts.order.events import OrderPlaced
from ecommerce import clock, codec
from ecommerce.ids import new_id
from ecommerce.inbox import registry, staff
from ecommerce.inbox.consumer import Consumer
from ecommerce.inbox.models import InboxMessage, ParkedMessage
from ecommerce.messaging.envelope import Envelope
from ecommerce.messaging.pgmq import PgmqBroker
from ecommerce.topology import current

pytestmark = pytest.mark.django_db(databases=["catalog"])
HEARD: list[tuple[str, UUID]] = []


@pytest.fixture(autouse=True)
def two_listen(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two handlers of one type in catalog, and no other in the program."""
    HEARD.clear()

    def listening(name: str) -> registry.Handler:
        note: Callable[[Any, Envelope], None] = lambda event, envelope: HEARD.append((name, event.order_id))  # noqa: E731
        return registry.Handler(name, "catalog", OrderPlaced, note)

    names = ("catalog.first", "catalog.second")
    monkeypatch.setattr(registry, "_handlers", {name: listening(name) for name in names})


def parked(*, consumer: str = "catalog", type_: str = OrderPlaced.type, version: int = 1, key: UUID) -> ParkedMessage:
    envelope = Envelope(
        id=new_id(), source="/contexts/order", type=type_, subject=str(key), time=clock.now(), partitionkey=str(key),
        sequence=version,
    )  # fmt: skip
    return ParkedMessage.objects.using("catalog").create(
        consumer=consumer, message_id=envelope.id, partition_key=str(key), event_type=type_,
        headers=envelope.headers(), body=codec.encode(OrderPlaced(order_id=key, number="N")).decode(),
        reason="unknown event type", status="PARKED", available_at=clock.now() + timedelta(days=1),
        created_at=clock.now() - timedelta(days=2),
    )  # fmt: skip


def rows() -> list[tuple[Any, ...]]:
    found = ParkedMessage.objects.using("catalog").order_by("id")
    return list(found.values_list("consumer", "message_id", "status", "attempts"))


def test_what_came_before_its_handlers_goes_to_each_of_them_in_order() -> None:
    key = new_id()
    first, second = parked(key=key), parked(key=key, version=2)

    assert staff.retry("catalog", [second.id, first.id], now=clock.now()) == {first.id, second.id}

    assert rows() == [
        (name, message.message_id, "RETRY", 0)
        for message in (first, second)
        for name in ("catalog.first", "catalog.second")
    ]
    assert {row.created_at for row in ParkedMessage.objects.using("catalog")} == {first.created_at, second.created_at}


def test_then_it_takes_effect_once_in_each() -> None:
    key = new_id()
    message = parked(key=key)
    InboxMessage.objects.using("catalog").create(
        consumer="catalog.second", message_id=message.message_id, event_type=OrderPlaced.type, outcome="HANDLED",
        handled_at=clock.now(),
    )  # fmt: skip

    staff.retry("catalog", [message.id], now=clock.now())
    Consumer(current()["catalog"], PgmqBroker()).retry_due()

    assert rows() == []
    kept = InboxMessage.objects.using("catalog").order_by("consumer").values_list("consumer", "outcome")
    assert list(kept) == [("catalog.first", "IGNORED"), ("catalog.second", "HANDLED")]
    assert ("catalog.first", key) in HEARD


def test_one_that_a_handler_keeps_already_is_not_doubled() -> None:
    message = parked(key=new_id())
    ParkedMessage.objects.using("catalog").create(
        consumer="catalog.first", message_id=message.message_id, partition_key="k", event_type=OrderPlaced.type,
        headers={}, body="{}", reason="ValueError", status="PARKED", available_at=clock.now(), created_at=clock.now(),
    )  # fmt: skip

    staff.retry("catalog", [message.id], now=clock.now())

    assert sorted(row[::2] for row in rows()) == [("catalog.first", "PARKED"), ("catalog.second", "RETRY")]


def test_what_still_nobody_knows_and_what_was_not_named_stay() -> None:
    unknown, other = parked(key=new_id(), type_="order.of_the_future.v9"), parked(key=new_id())

    assert staff.retry("catalog", [unknown.id], now=clock.now()) == set()

    assert rows() == [("catalog", message.message_id, "PARKED", 0) for message in (unknown, other)]
