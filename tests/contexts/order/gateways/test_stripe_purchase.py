"""Purchases that are paid by Stripe: the whole shop, and a server that speaks Stripe's API."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import httpx
import pytest
from pytest_django import Settings
from rest_framework.test import APIClient

from contexts.order.models import PaymentAttempt, WebhookEvent
from contexts.order.usecases.cancel_order import cancel_order
from ecommerce import clock
from tests.contexts.order.conftest import EVERYWHERE, Shopper, booked, card, saga_of, stock_of, work
from tests.contexts.order.gateways.test_stripe import event, order_fault, sign
from tests.sandbox_psp.testing import Receiver, eventually
from tests.stripe_server.testing import StripeServer, running

pytestmark = pytest.mark.django_db(databases=EVERYWHERE)


@pytest.fixture(scope="module")
def server(receiver: Receiver) -> Iterator[StripeServer]:
    with running(webhook_url=receiver.url, hang_seconds=1.5) as server:
        yield server


@pytest.fixture
def control(server: StripeServer) -> Iterator[httpx.Client]:
    with server.client() as client:
        client.delete("/_front/faults")
        yield client


@pytest.fixture
def shopper(shipping: None, server: StripeServer, control: httpx.Client, settings: Settings) -> Shopper:
    """A guest, in a shop that takes cards by Stripe."""
    settings.PAYMENT_GATEWAYS = {"card": "stripe", "pix": "sandbox"}
    settings.STRIPE_API_URL = server.base_url
    settings.STRIPE_API_KEY = server.api_key
    settings.STRIPE_WEBHOOK_SECRET = server.webhook_secret
    return Shopper()


def hand_over(receiver: Receiver, gateway_id: str, secret: str, at: datetime) -> Any:
    """Give the server's webhook about a charge to the shop, with a signature of now."""
    eventually(lambda: any(gateway_id.encode() in each.body for each in receiver.received))
    webhook = next(each for each in receiver.received if gateway_id.encode() in each.body)
    url, headers = "/api/v1/payments/webhooks/stripe", sign(webhook.body, secret, at)
    return APIClient().generic("POST", url, webhook.body, "application/json", headers=headers)


def test_a_card_buys_and_a_cancellation_gives_the_money_back(shopper, shirt):
    order = shopper.order(shopper.fill(shirt).check_out(card("pm_card_visa")))
    assert (order.status, booked(order)) == ("confirmed", [("card", "capture", order.total)])

    cancel_order(order_id=order.id, reason="desisti", actor="test", now=clock.now())

    assert booked(order)[1:] == [("card", "refund", order.total)]
    assert PaymentAttempt.objects.get(order=order).gateway == "stripe"


def test_a_declined_card_buys_nothing(shopper, shirt):
    answer = shopper.fill(shirt).check_out(card("pm_card_chargeDeclinedInsufficientFunds"))

    assert (answer.status_code, answer.json()["decline_code"]) == (402, "insufficient_funds")
    assert stock_of(shirt) == (10, 0)


def test_3ds_ends_with_stripes_webhook(shopper, shirt, control, server, receiver):
    order = shopper.order(shopper.fill(shirt).check_out(card("pm_card_threeDSecure2Required")))
    attempt = PaymentAttempt.objects.get(order=order)
    assert (order.status, attempt.status) == ("awaiting_payment", "requires_action")

    control.post(f"{attempt.client_data['redirect_url']}/approve")
    told = [hand_over(receiver, attempt.gateway_id, server.webhook_secret, clock.now()) for _ in range(2)]
    work()

    assert [answer.json()["received"] for answer in told] == [True, False]
    assert saga_of(order) == "COMPLETED"
    assert booked(order) == [("card", "capture", order.total)]
    assert WebhookEvent.objects.get().gateway == "stripe"


def test_a_webhook_that_stripe_did_not_sign_is_stored_nowhere(shopper, server):
    body = event("pi_1", None)
    headers = sign(body, "whsec_of_somebody_else", clock.now())

    answer = APIClient().generic("POST", "/api/v1/payments/webhooks/stripe", body, "application/json", headers=headers)

    assert answer.status_code in (401, 403)
    assert not WebhookEvent.objects.exists()


def test_a_lost_answer_charges_once(shopper, shirt, control, time_passes):
    order_fault(control, "error_after", "/v1/payment_intents")
    order = shopper.order(shopper.fill(shirt).check_out(card("pm_card_visa")), 202)
    assert order.status == "pending"

    time_passes(seconds=10)
    work()

    order.refresh_from_db()
    assert (order.status, booked(order)) == ("confirmed", [("card", "capture", order.total)])


def test_a_checkout_costs_no_more_statements_than_with_another_gateway(shopper, shirt, statements):
    shopper.order(shopper.fill(shirt).check_out(card("pm_card_visa")))
    body = shopper.fill(shirt).body(card("pm_card_visa"))

    with statements() as executed:
        answer = shopper.send(body)

    assert shopper.order(answer).status == "confirmed"
    assert len(executed) <= 21, "\n".join(executed)
