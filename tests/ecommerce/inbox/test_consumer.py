"""The consumer: effects happen once, failures stop one key, poison is kept."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from uuid import UUID

import pytest
from django.db import connections

from contexts.order.events import OrderPlaced
from ecommerce import clock, codec
from ecommerce.ids import new_id
from ecommerce.inbox import registry
from ecommerce.inbox.consumer import MAX_ATTEMPTS, Consumer
from ecommerce.inbox.models import InboxMessage, ParkedMessage
from ecommerce.messaging.broker import Delivery
from ecommerce.messaging.envelope import Envelope
from ecommerce.messaging.pgmq import PgmqBroker
from ecommerce.topology import current
from ecommerce.unit_of_work import unit_of_work

pytestmark = pytest.mark.django_db(transaction=True, databases=["order"])


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


@pytest.fixture
def effects(monkeypatch: pytest.MonkeyPatch) -> Iterator[Effects]:
    handler = Effects()
    registered = registry.Handler("order.test_effect", "order", OrderPlaced, handler)
    monkeypatch.setattr(registry, "_handlers", {registered.name: registered})
    with connections["order"].cursor() as cursor:
        cursor.execute("CREATE TABLE test_effects (order_id uuid, version int)")
    yield handler
    with connections["order"].cursor() as cursor:
        cursor.execute("DROP TABLE test_effects")


@pytest.fixture
def consumer(effects: Effects) -> Consumer:
    return Consumer(current()["order"], PgmqBroker())


def delivery(order_id: UUID, version: int = 1, *, event_id: UUID | None = None, deliveries: int = 1) -> Delivery:
    envelope = Envelope(
        id=event_id or new_id(), source="/contexts/order", type=OrderPlaced.type, subject=str(order_id),
        time=clock.now(), partitionkey=str(order_id), sequence=version,
    )  # fmt: skip
    return Delivery(1, envelope.headers(), codec.encode(OrderPlaced(order_id=order_id, number="N")), deliveries)


def written() -> list[tuple[UUID, int]]:
    with connections["order"].cursor() as cursor:
        cursor.execute("SELECT order_id, version FROM test_effects ORDER BY version")
        return cursor.fetchall()


def retry(consumer: Consumer) -> None:
    """Let every pause be over and try the parked messages."""
    ParkedMessage.objects.using("order").update(available_at=datetime(2000, 1, 1, tzinfo=UTC))
    consumer.retry_due()


def test_the_effect_and_the_inbox_row_commit_together(consumer: Consumer) -> None:
    order_id = new_id()
    consumer.handle([delivery(order_id)])

    assert written() == [(order_id, 1)]
    assert InboxMessage.objects.using("order").get().consumer == "order.test_effect"


def test_a_message_delivered_many_times_in_parallel_takes_effect_once(consumer: Consumer) -> None:
    same, barrier = delivery(new_id()), threading.Barrier(8)

    def handle() -> None:
        barrier.wait()
        consumer.handle([same])
        connections.close_all()

    threads = [threading.Thread(target=handle) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)

    assert len(written()) == 1
    assert not ParkedMessage.objects.using("order").exists()


def test_a_failed_handler_leaves_no_trace_and_is_tried_again(consumer: Consumer, effects: Effects) -> None:
    order_id = new_id()
    effects.failing = {order_id}
    consumer.handle([delivery(order_id)])
    assert not written()
    assert not InboxMessage.objects.using("order").exists()

    effects.failing = set()
    retry(consumer)

    assert written() == [(order_id, 1)]
    assert not ParkedMessage.objects.using("order").exists()


def test_a_failing_message_holds_back_its_own_key_in_order_and_no_other(consumer: Consumer, effects: Effects) -> None:
    poisoned, healthy = new_id(), new_id()
    effects.failing = {poisoned}
    consumer.handle([delivery(poisoned, 1), delivery(healthy, 1), delivery(poisoned, 2)])
    consumer.handle([delivery(poisoned, 3)])
    assert written() == [(healthy, 1)]

    effects.failing = set()
    for _ in range(3):
        retry(consumer)

    assert [version for order_id, version in written() if order_id == poisoned] == [1, 2, 3]


def test_a_message_that_never_succeeds_is_parked_with_its_reason(consumer: Consumer, effects: Effects) -> None:
    order_id = new_id()
    effects.failing = {order_id}
    consumer.handle([delivery(order_id)])
    for _ in range(MAX_ATTEMPTS):
        retry(consumer)

    parked = ParkedMessage.objects.using("order").get()
    assert (parked.status, parked.attempts, parked.reason) == ("PARKED", MAX_ATTEMPTS, "ValueError: not now")


def test_a_handler_that_tries_to_end_the_process_is_parked_like_any_failure(
    consumer: Consumer, effects: Effects
) -> None:
    order_id = new_id()
    effects.failing, effects.error = {order_id}, SystemExit(3)

    consumer.handle([delivery(order_id)])

    assert "tried to end the process" in ParkedMessage.objects.using("order").get().reason


def test_a_message_that_kills_its_consumer_again_and_again_is_parked_unseen(consumer: Consumer) -> None:
    consumer.handle([delivery(new_id(), deliveries=6)])

    assert not written()
    assert ParkedMessage.objects.using("order").get().status == "PARKED"


def test_undecodable_data_and_envelopes_are_parked_at_once(consumer: Consumer) -> None:
    good = delivery(new_id())
    consumer.handle([Delivery(1, good.headers, b"{not json", 1), Delivery(2, {"x": "y"}, b"{}", 1)])

    assert [row.status for row in ParkedMessage.objects.using("order").order_by("id")] == ["PARKED", "PARKED"]


def test_an_event_of_unknown_version_is_parked(consumer: Consumer) -> None:
    known = delivery(new_id())
    headers = {**known.headers, "cloudEvents_type": "order.placed.v99"}

    consumer.handle([Delivery(1, headers, known.data, 1)])

    assert ParkedMessage.objects.using("order").get().reason == "unknown event type"
