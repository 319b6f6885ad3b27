"""Neighbours that cannot be reached: nobody's fault, so nothing is counted."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from contexts.order.events import OrderPlaced
from ecommerce.errors import Unavailable, Unreachable
from ecommerce.ids import new_id
from ecommerce.inbox import registry
from ecommerce.inbox.consumer import LONGEST_WAIT, MAX_ATTEMPTS, Consumer, _while_unreachable
from ecommerce.inbox.models import ParkedMessage
from tests.ecommerce.inbox.effects import Effects, delivery, retry, written

pytestmark = pytest.mark.django_db(transaction=True, databases=["order"])


def test_a_message_whose_handler_cannot_reach_a_neighbour_is_tried_for_ever(
    consumer: Consumer, effects: Effects
) -> None:
    order_id = new_id()
    effects.failing, effects.error = {order_id}, Unreachable("There is no connection to catalog.", context="catalog")
    consumer.handle([delivery(order_id)])
    for _ in range(3 * MAX_ATTEMPTS):
        retry(consumer)

    parked = ParkedMessage.objects.using("order").get()
    assert (parked.status, parked.attempts) == ("RETRY", 0)
    assert parked.reason == "Unreachable: There is no connection to catalog."
    effects.failing.clear()
    retry(consumer)
    assert written() == [(order_id, 1)]
    assert not ParkedMessage.objects.using("order").exists()


def test_an_unreachable_neighbour_blocks_the_key_and_no_other(consumer: Consumer, effects: Effects) -> None:
    waiting, passing = new_id(), new_id()
    effects.failing, effects.error = {waiting}, Unreachable(context="catalog")
    consumer.handle([delivery(waiting, 1), delivery(passing, 2), delivery(waiting, 3)])
    assert written() == [(passing, 2)]

    effects.failing.clear()
    retry(consumer)
    retry(consumer)
    assert written() == [(waiting, 1), (passing, 2), (waiting, 3)]


def test_what_a_handler_reads_from_an_unreachable_neighbour_is_not_counted_either(
    consumer: Consumer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read(events: Sequence[OrderPlaced]) -> None:
        raise Unreachable(context="catalog")

    handler = registry.Handler("order.test_effect", "order", OrderPlaced, lambda event, envelope, read: None, read)
    monkeypatch.setattr(consumer, "_handlers", {OrderPlaced.type: [handler]})
    consumer.handle([delivery(new_id()), delivery(new_id())])
    for _ in range(MAX_ATTEMPTS + 1):
        retry(consumer)

    assert set(ParkedMessage.objects.using("order").values_list("status", "attempts")) == {("RETRY", 0)}


def test_a_neighbour_that_broke_counts_as_before(consumer: Consumer, effects: Effects) -> None:
    """What breaks it may be this very message."""
    order_id = new_id()
    effects.failing, effects.error = {order_id}, Unavailable("catalog could not do what was asked.")
    consumer.handle([delivery(order_id)])
    for _ in range(MAX_ATTEMPTS):
        retry(consumer)

    assert ParkedMessage.objects.using("order").get().status == "PARKED"


def test_the_pauses_while_a_neighbour_is_unreachable_grow_to_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("random.uniform", lambda least, most: most)
    bounds = []
    for age in (0.0, 5.0, 20.0, 86_400.0):
        told = _while_unreachable(0, Unreachable(context="catalog"), age)
        bounds.append(told["available_at"].rhs.value.total_seconds())

    assert bounds == [1, 5, 20, LONGEST_WAIT]
