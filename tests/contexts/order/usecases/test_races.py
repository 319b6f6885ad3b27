"""Buyers at the same moment: threads, connections and commits of their own."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from uuid import UUID

import pytest
from django.db import connections, transaction

from contexts.cart.models import Cart
from contexts.catalog.models import Stock
from contexts.identity.interface import Address
from contexts.order.domain import Method, PaymentIntent
from contexts.order.models import LedgerEntry, Order, WebhookEvent
from contexts.order.usecases.cancel_order import cancel_order
from contexts.order.usecases.place_order import Checkout, Claim, Placed, place_order
from contexts.order.usecases.price_checkout import Buyer
from contexts.order.usecases.receive_webhook import process_webhooks
from ecommerce import clock
from ecommerce.errors import DomainError
from ecommerce.saga.engine import claim_due, run
from tests.contexts.catalog.factories import on_sale
from tests.contexts.order.conftest import ADDRESS, EVERYWHERE, Shopper, brl, card, hand_over, together
from tests.contexts.order.usecases.test_pay import PIX, pay

pytestmark = pytest.mark.django_db(transaction=True, databases=EVERYWHERE)


def buying(shopper: Shopper, key: str, total: str):
    """Return an action that buys what is in the cart, through the use case."""
    checkout = Checkout(
        cart_id=shopper.cart["id"],
        buyer=Buyer(email="ana@example.com", cart_token=shopper.cart["token"]),
        address=Address(**{"complement": "", **ADDRESS}),
        address_id=None,
        shipping_method="economico",
        payments=[PaymentIntent(method=Method.CARD, card_token="tok_approved")],
        expected_total=brl(total),
        payer={"name": "", "tax_id": ""},
        return_url="",
    )

    def buy() -> str:
        try:
            placed = place_order(checkout=checkout, claim=Claim("guest", key, key), now=clock.now())
        except DomainError as refused:
            return refused.code
        assert isinstance(placed, Placed)
        return placed.refusal.code if placed.refusal else placed.order.status

    return buy


@pytest.fixture
def roomy(monkeypatch):
    """Fifty threads want a connection to each database at once, which no process of the shop does."""
    for alias in EVERYWHERE:
        pool = connections[alias].pool
        if pool is not None:
            monkeypatch.setattr(pool, "timeout", 60)


def test_50_parallel_checkouts_of_the_last_piece_are_one_order(shopper, psp, roomy):
    lamp = on_sale(stock=1, price="50.00")
    shoppers = [Shopper().fill(lamp) for _ in range(50)]
    connections.close_all()
    ends = together([buying(shopper, f"k{number}", "60.00") for number, shopper in enumerate(shoppers)])
    assert Counter(ends) == {"confirmed": 1, "out_of_stock": 49}
    assert Stock.objects.get(variant_id=lamp.id).reserved == 1
    assert Counter(Order.objects.values_list("status", flat=True)) == {"confirmed": 1, "failed": 49}
    assert LedgerEntry.objects.count() == 1
    assert Counter(Cart.objects.values_list("status", flat=True)) == {"converted": 1, "open": 49}


def test_one_key_in_8_threads_is_one_order(shopper, shirt, psp):
    shopper.fill(shirt)
    body = shopper.body()
    connections.close_all()
    answers = together([lambda: Shopper(cart=shopper.cart).send(body, key="same")] * 8)
    statuses = Counter(answer.status_code for answer in answers)
    assert set(statuses) <= {201, 409}
    assert statuses[201] >= 1
    assert {answer.json()["code"] for answer in answers if answer.status_code == 409} <= {"idempotency_in_flight"}
    assert len({answer.json()["id"] for answer in answers if answer.status_code == 201}) == 1
    assert (Order.objects.count(), LedgerEntry.objects.count()) == (1, 1)
    assert Shopper(cart=shopper.cart).send(body, key="same").status_code == 201


def test_one_cart_with_8_keys_is_one_order(shopper, shirt, psp):
    shopper.fill(shirt)
    connections.close_all()
    ends = Counter(together([buying(shopper, f"k{number}", "60.00") for number in range(8)]))
    assert ends["confirmed"] == 1
    assert set(ends) <= {"confirmed", "cart_being_ordered", "cart_closed"}
    assert Order.objects.exclude(status="failed").count() == 1


def test_paying_and_cancelling_at_once_have_one_winner(shopper, shirt, psp, webhooks):
    for _ in range(5):
        order = shopper.order(shopper.fill(shirt).check_out(PIX))
        webhooks.received.clear()
        pay(psp, order)
        hand_over(webhooks.wait_for(1)[0])
        connections.close_all()

        def settle() -> None:
            process_webhooks(now=clock.now())
            for claimed in claim_due("order", limit=5):
                run(claimed)

        def cancel(order=order) -> None:
            cancel_order(order_id=order.id, reason="x", actor="guest", now=clock.now())

        assert together([settle, cancel]) == [None, None]
        settle()
        order.refresh_from_db()
        money = LedgerEntry.objects.filter(attempt__order=order)
        net = sum(entry.amount if entry.kind == "capture" else -entry.amount for entry in money)
        assert (order.status, net) == ("cancelled", 0)


def test_the_same_webhook_at_once_is_kept_once(shopper, shirt, psp, webhooks):
    order = shopper.order(shopper.fill(shirt).check_out(PIX))
    pay(psp, order)
    [webhook] = webhooks.wait_for(1)
    connections.close_all()
    answers = together([lambda: hand_over(webhook).json()["received"]] * 5)
    assert Counter(answers) == {True: 1, False: 4}
    assert together([lambda: process_webhooks(now=clock.now())] * 5).count(1) == 1


def test_a_declined_card_and_a_second_try_at_once_never_sell_twice(shopper, shirt, psp):
    shopper.fill(shirt)
    bodies = [shopper.body(card("tok_declined")), shopper.body(card())]
    connections.close_all()
    answers = together([lambda body=body: Shopper(cart=shopper.cart).send(body) for body in bodies])
    assert all(answer.status_code in (201, 402, 409) for answer in answers)
    assert Order.objects.exclude(status="failed").count() <= 1


def test_webhooks_that_somebody_is_just_taking_are_left_out(shopper, shirt, psp, webhooks):
    order = shopper.order(shopper.fill(shirt).check_out(PIX))
    pay(psp, order)
    hand_over(webhooks.wait_for(1)[0])
    taking = {"now": clock.now(), "lease": timedelta(minutes=1), "most": 5, "limit": 5}

    def take_elsewhere() -> list[UUID]:
        try:
            with connections["order"].cursor() as cursor:
                cursor.execute("SET lock_timeout = '2s'")
            return WebhookEvent.claim(**taking)
        finally:
            connections["order"].close()

    with transaction.atomic(using="order"), ThreadPoolExecutor(1) as pool:
        assert len(WebhookEvent.claim(**taking)) == 1
        assert pool.submit(take_elsewhere).result() == []
