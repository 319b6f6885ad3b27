"""Batches of messages: effects that share a transaction, and what gives it up."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from uuid import UUID

import pytest
from django.db import connections

from contexts.order.events import OrderPlaced
from ecommerce.ids import new_id
from ecommerce.inbox import registry
from ecommerce.inbox.consumer import Consumer
from ecommerce.inbox.models import InboxMessage, ParkedMessage
from ecommerce.messaging.broker import Delivery
from ecommerce.messaging.envelope import PREFIX, Envelope
from ecommerce.messaging.pgmq import PgmqBroker
from ecommerce.topology import current
from ecommerce.unit_of_work import unit_of_work
from tests.ecommerce.inbox.effects import Effects, delivery, retry, written

pytestmark = pytest.mark.django_db(transaction=True, databases=["order"])


def transactions() -> list[int]:
    """How many effects each transaction wrote."""
    with connections["order"].cursor() as cursor:
        cursor.execute("SELECT count(*) FROM test_effects GROUP BY xmin::text ORDER BY 1")
        return [count for (count,) in cursor.fetchall()]


def test_the_effects_of_a_batch_share_a_transaction(consumer: Consumer) -> None:
    consumer.handle([delivery(new_id()) for _ in range(5)])
    assert transactions() == [5]
    assert InboxMessage.objects.using("order").filter(outcome="HANDLED").count() == 5


def test_one_failure_gives_the_shared_transaction_up_and_costs_nobody_else_anything(
    consumer: Consumer, effects: Effects
) -> None:
    poisoned = new_id()
    effects.failing = {poisoned}
    consumer.handle([delivery(new_id()), delivery(poisoned), delivery(new_id())])
    assert transactions() == [1, 1]
    assert ParkedMessage.objects.using("order").get().partition_key == str(poisoned)


def test_a_statement_that_fails_unwatched_costs_nobody_else_anything(consumer: Consumer) -> None:
    with connections["order"].cursor() as cursor:
        cursor.execute("ALTER TABLE test_effects ADD CHECK (version <> 7)")
    refused = new_id()
    consumer.handle([delivery(new_id(), 1), delivery(refused, 7), delivery(new_id(), 2)])
    assert [version for _, version in written()] == [1, 2]
    parked = ParkedMessage.objects.using("order").get()
    assert (parked.partition_key, "IntegrityError" in parked.reason) == (str(refused), True)


def test_what_may_have_killed_a_consumer_is_handled_one_by_one(consumer: Consumer) -> None:
    consumer.handle([delivery(new_id(), again=True), delivery(new_id()), delivery(new_id())])
    assert transactions() == [1, 1, 1]


def test_messages_of_a_batch_that_were_handled_before_have_no_second_effect(consumer: Consumer) -> None:
    first, second, third = (delivery(new_id(), version) for version in (1, 2, 3))
    consumer.handle([first, second])
    consumer.handle([second, third, third, first])
    assert [version for _, version in written()] == [1, 2, 3]


def test_a_handler_that_goes_on_after_a_failed_unit_of_work_keeps_nothing_of_it(
    consumer: Consumer, effects: Effects, monkeypatch: pytest.MonkeyPatch
) -> None:
    shaky = new_id()

    def stumble(event: OrderPlaced, envelope: Envelope) -> None:
        with suppress(ValueError), unit_of_work("order"):
            with connections["order"].cursor() as cursor:
                cursor.execute("INSERT INTO test_effects VALUES (%s, %s)", [event.order_id, envelope.sequence])
            if event.order_id == shaky:
                raise ValueError("half done")

    monkeypatch.setattr(Effects, "__call__", lambda self, event, envelope: stumble(event, envelope))
    healthy = [delivery(new_id(), 1), delivery(new_id(), 2)]
    consumer.handle([healthy[0], delivery(shaky, 3), healthy[1]])
    assert [version for _, version in written()] == [1, 2]


def test_a_unit_of_work_within_another_is_refused_in_a_batch_too(
    consumer: Consumer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def nest(self: Effects, event: OrderPlaced, envelope: Envelope) -> None:
        with unit_of_work("order"), unit_of_work("order"):
            raise AssertionError("not reached")

    monkeypatch.setattr(Effects, "__call__", nest)
    consumer.handle([delivery(new_id()), delivery(new_id())])
    reasons = set(ParkedMessage.objects.using("order").values_list("reason", flat=True))
    assert len(reasons) == 1
    assert "RuntimeError" in reasons.pop()


def test_a_batch_remembers_which_messages_needed_no_change(consumer: Consumer, monkeypatch: pytest.MonkeyPatch) -> None:
    changing, real = new_id(), Effects.__call__

    def choose(self: Effects, event: OrderPlaced, envelope: Envelope) -> None:
        if event.order_id == changing:
            real(self, event, envelope)

    monkeypatch.setattr(Effects, "__call__", choose)
    consumer.handle([delivery(new_id()), delivery(changing), delivery(new_id())])
    outcomes = InboxMessage.objects.using("order").order_by("outcome").values_list("outcome", flat=True)
    assert list(outcomes) == ["HANDLED", "IGNORED", "IGNORED"]


class Asking:
    """A handler's way to ask another context: counts how often, and may be refused for some orders."""

    def __init__(self) -> None:
        self.asked: list[list[UUID]] = []
        self.in_transaction: list[bool] = []
        self.refused: set[UUID] = set()

    def __call__(self, events: Sequence[OrderPlaced]) -> dict[UUID, str]:
        ids = [event.order_id for event in events]
        self.asked.append(ids)
        self.in_transaction.append(connections["order"].in_atomic_block)
        if self.refused & set(ids):
            raise RuntimeError("the other context refuses")
        return {order_id: f"answer about {order_id}" for order_id in ids}


@pytest.fixture
def asking(effects: Effects, monkeypatch: pytest.MonkeyPatch) -> Asking:
    """Two handlers which ask in the same way, and say what they were told."""
    asking = Asking()

    def first(event: OrderPlaced, envelope: Envelope, answers: dict[UUID, str]) -> None:
        assert answers[event.order_id] == f"answer about {event.order_id}"
        effects(event, envelope)

    def second(event: OrderPlaced, envelope: Envelope, answers: dict[UUID, str]) -> None:
        assert event.order_id in answers

    both = {
        f"order.test_{function.__name__}": registry.Handler(
            f"order.test_{function.__name__}", "order", OrderPlaced, function, reading=asking
        )
        for function in (first, second)
    }
    monkeypatch.setattr(registry, "_handlers", both)
    return asking


def test_other_contexts_are_asked_once_for_a_batch_outside_its_transaction(asking: Asking) -> None:
    ids = [new_id(), new_id(), new_id()]
    Consumer(current()["order"], PgmqBroker()).handle([delivery(order_id) for order_id in ids])
    ((*asked,),) = asking.asked
    assert set(asked) == set(ids)
    assert asking.in_transaction == [False]
    assert {order_id for order_id, _ in written()} == set(ids)


def test_a_refusal_by_another_context_parks_only_the_message_it_is_about(asking: Asking) -> None:
    refused, others = new_id(), [new_id(), new_id()]
    asking.refused = {refused}
    Consumer(current()["order"], PgmqBroker()).handle([delivery(each) for each in (others[0], refused, others[1])])
    assert {order_id for order_id, _ in written()} == set(others)
    parked = ParkedMessage.objects.using("order").values_list("partition_key", "status").distinct()
    assert list(parked) == [(str(refused), "RETRY")]
    assert asking.in_transaction == [False] * len(asking.asked)


def test_what_has_an_outcome_is_not_asked_about_again(asking: Asking) -> None:
    handled, refused = new_id(), new_id()
    asking.refused = {refused}
    consumer = Consumer(current()["order"], PgmqBroker())
    batch = [delivery(handled, event_id=new_id()), delivery(refused, event_id=new_id())]
    consumer.handle(batch)
    asked = len(asking.asked)
    consumer.handle([Delivery(each.tag, each.headers, each.data, again=True) for each in batch])
    assert len(asking.asked) == asked
    assert written() == [(handled, 1)]


def test_a_blocked_key_in_a_batch_queues_up_behind_what_blocks_it(consumer: Consumer, effects: Effects) -> None:
    poisoned, healthy = new_id(), new_id()
    effects.failing = {poisoned}
    consumer.handle([delivery(poisoned, 1)])
    effects.failing = set()
    consumer.handle([delivery(healthy, 1), delivery(poisoned, 2), delivery(healthy, 2)])
    assert [(order_id, version) for order_id, version in written()] == [(healthy, 1), (healthy, 2)]
    for _ in range(2):
        retry(consumer)
    assert [version for order_id, version in written() if order_id == poisoned] == [1, 2]


def test_a_replay_overtakes_nothing_that_the_queue_still_holds(consumer: Consumer) -> None:
    order_id = new_id()
    later = delivery(order_id, 5)
    replayed = Delivery(1, {**later.headers, f"{PREFIX}replay": str(new_id())}, later.data)
    consumer.handle([replayed])
    consumer.handle([delivery(order_id, 4)])
    assert [version for _, version in written()] == [4, 5]
    assert not ParkedMessage.objects.using("order").exists()
