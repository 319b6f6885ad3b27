import json
from datetime import timedelta

import httpx
import pytest

from contexts.order import adapters, sagas
from contexts.order.adapters import SandboxGateway
from contexts.order.adapters import WebhookEvent as GatewayEvent
from contexts.order.events import OrderConfirmed
from contexts.order.models import Order, PaymentAttempt, WebhookEvent
from contexts.order.tasks import process_stored_webhooks
from contexts.order.usecases.receive_webhook import process_webhooks, store_webhook
from contexts.order.views.tokens import access_token
from ecommerce import clock
from ecommerce.testing import published
from tests.contexts.order.conftest import EVERYWHERE, booked, hand_over, work
from tests.contexts.order.usecases.test_pay import PIX, SIXTY, charge_of, pay, status_of
from tests.sandbox_psp.testing import Received

pytestmark = pytest.mark.django_db(databases=EVERYWHERE)


@pytest.fixture
def waiting(shopper, shirt):
    """An order that waits for its Pix."""
    return shopper.order(shopper.fill(shirt).check_out(PIX))


def again(psp: httpx.Client, order, **how) -> None:
    psp.post(f"/control/charges/{charge_of(psp, order)}/webhooks", json=how).raise_for_status()


def away(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the gateway be out of reach."""
    gone = SandboxGateway(url="http://127.0.0.1:1", api_key="x", webhook_secret="whsec_test_sandbox")
    monkeypatch.setattr(adapters, "GATEWAYS", {"sandbox": lambda: gone})


def test_five_times_the_same_webhook_beside_the_browsers_return_is_one_payment(shopper, shirt, psp, webhooks):
    order = shopper.order(shopper.fill(shirt).check_out(PIX))
    pay(psp, order)
    again(psp, order, times=4)
    received = [hand_over(webhook).json()["received"] for webhook in webhooks.wait_for(5)]
    assert sorted(received) == [False] * 4 + [True]
    for _ in range(3):
        seen = shopper.client.get(f"/api/v1/orders/{order.id}", headers={"X-Order-Token": access_token(order.id)})
        assert seen.status_code == 200
        work()
    assert (status_of(order), booked(order)) == ("confirmed", [("pix", "capture", SIXTY)])
    assert len(published("order", OrderConfirmed)) == 1


def test_webhooks_in_the_wrong_order_do_no_harm(shopper, shirt, psp, webhooks):
    order = shopper.order(shopper.fill(shirt).check_out(PIX))
    pay(psp, order)
    webhooks.wait_for(1)
    again(psp, order, type="charge.expired")
    for webhook in reversed(webhooks.wait_for(2)):
        hand_over(webhook)
    work()
    assert status_of(order) == "confirmed"


def test_a_late_webhook_of_one_attempt_never_touches_another(shopper, shirt, psp, webhooks):
    first = shopper.order(shopper.fill(shirt).check_out(PIX))
    second = shopper.order(shopper.fill(shirt).check_out(PIX))
    psp.post(f"/control/charges/{charge_of(psp, first)}/expire").raise_for_status()
    hand_over(webhooks.wait_for(1)[0])
    work()
    assert (status_of(first), status_of(second)) == ("cancelled", "awaiting_payment")


def test_a_webhook_before_the_saga_waits_is_not_lost(shopper, shirt, psp, webhooks, monkeypatch):
    await_payment = sagas.await_payment

    def paid_at_once(**kwargs):
        pay(psp, Order.objects.get())
        hand_over(webhooks.wait_for(1)[0])
        process_webhooks(now=clock.now())
        await_payment(**kwargs)

    monkeypatch.setattr(sagas, "await_payment", paid_at_once)
    order = shopper.order(shopper.fill(shirt).check_out(PIX))
    assert status_of(order) == "awaiting_payment"
    work()
    assert (status_of(order), booked(order)) == ("confirmed", [("pix", "capture", SIXTY)])


# --- at the door -----------------------------------------------------------------------------------------------------
def genuine(shopper, shirt, psp, webhooks) -> Received:
    order = shopper.order(shopper.fill(shirt).check_out(PIX))
    pay(psp, order)
    [webhook] = webhooks.wait_for(1)
    return webhook


def test_a_webhook_is_kept_as_it_came(shopper, shirt, psp, webhooks):
    webhook = genuine(shopper, shirt, psp, webhooks)
    hand_over(webhook)
    row = WebhookEvent.objects.get()
    assert (row.body.encode(), row.event_type, row.processed_at) == (webhook.body, "charge.captured", None)


def test_a_forged_or_changed_webhook_is_refused(shopper, shirt, psp, webhooks):
    webhook = genuine(shopper, shirt, psp, webhooks)
    forged = Received(webhook.headers, webhook.body.replace(b"60.00", b"99.00"))
    unsigned = Received({}, webhook.body)
    for bad in (forged, unsigned):
        answer = hand_over(bad)
        assert (answer.status_code, answer.json()["code"]) == (401, "webhook_signature_invalid")
        assert answer["WWW-Authenticate"] == "Signature"
    assert not WebhookEvent.objects.exists()


def test_a_genuine_webhook_that_makes_no_sense_is_refused(gateway):
    answer = hand_over(Received({}, json.dumps({"id": "evt"}).encode()), signed_at=clock.now())
    assert (answer.status_code, answer.json()["code"]) == (422, "webhook_malformed")


def test_an_unknown_gateway_is_not_found(gateway, client):
    answer = client.post("/api/v1/payments/webhooks/other", b"{}", content_type="application/json")
    assert (answer.status_code, answer.json()["code"]) == (404, "unknown_gateway")


# --- working it off --------------------------------------------------------------------------------------------------
def test_a_webhook_that_cannot_be_processed_now_is_tried_again_later(
    shopper, shirt, psp, webhooks, time_passes, monkeypatch
):
    hand_over(genuine(shopper, shirt, psp, webhooks))
    with monkeypatch.context() as patch:
        away(patch)
        assert process_webhooks(now=clock.now()) == 1
        assert process_webhooks(now=clock.now()) == 0
    row = WebhookEvent.objects.get()
    assert (row.processed_at, row.attempts, row.error.partition(":")[0]) == (None, 1, "OutcomeUnknown")
    assert clock.now() < row.due_at <= clock.now() + timedelta(seconds=2)
    now = time_passes(seconds=3)
    assert process_webhooks(now=now) == 1
    row.refresh_from_db()
    assert (row.processed_at, row.error) == (now, "")


def test_a_webhook_about_nothing_of_ours_does_not_hold_up_the_others(shopper, shirt, psp, webhooks):
    webhook = genuine(shopper, shirt, psp, webhooks)
    strange = json.loads(webhook.body)
    strange["id"] = "evt_strange"
    strange["data"]["charge"] |= {"id": "ch_strange", "reference": "another shop's"}
    hand_over(Received(webhook.headers, json.dumps(strange).encode()), signed_at=clock.now())
    hand_over(webhook)
    assert process_webhooks(now=clock.now()) == 2
    assert {row.event_id: bool(row.processed_at) for row in WebhookEvent.objects.all()} == {
        "evt_strange": False, json.loads(webhook.body)["id"]: True,
    }  # fmt: skip


def kept(order, number: int) -> list[str]:
    """Keep so many webhooks about the order's payment."""
    attempt = PaymentAttempt.objects.get(order=order)
    for each in range(number):
        event = GatewayEvent(
            id=f"evt_{each}", type="charge.captured", gateway_id=attempt.gateway_id, attempt_id=attempt.id
        )
        store_webhook(gateway="sandbox", event=event, body=b"{}", now=clock.now())
    return [f"evt_{each}" for each in range(number)]


def test_a_silent_gateway_is_asked_about_one_of_its_webhooks(waiting, monkeypatch, time_passes):
    kept(waiting, 6)
    with monkeypatch.context() as patch:
        away(patch)
        assert process_webhooks(now=clock.now()) == 6
        assert process_webhooks(now=clock.now()) == 0
    assert sorted(WebhookEvent.objects.values_list("attempts", flat=True)) == [0, 0, 0, 0, 0, 1]
    assert process_webhooks(now=time_passes(seconds=16)) == 6
    assert not WebhookEvent.objects.filter(processed_at=None).exists()


def test_webhooks_that_there_is_no_time_for_wait_untried(waiting, monkeypatch):
    kept(waiting, 3)
    with monkeypatch.context() as patch:
        patch.setattr("contexts.order.usecases.receive_webhook.LONGEST_SECONDS", -1.0)
        assert process_webhooks(now=clock.now()) == 3
    assert set(WebhookEvent.objects.values_list("attempts", "processed_at")) == {(0, None)}
    assert process_webhooks(now=clock.now()) == 3
    assert not WebhookEvent.objects.filter(processed_at=None).exists()


def test_a_process_works_off_webhooks_once_at_a_time(waiting, monkeypatch):
    ids, inner = kept(waiting, 1), []

    def look(*, now, limit=50):
        inner.append(process_stored_webhooks())
        return 0

    with monkeypatch.context() as patch:
        patch.setattr("contexts.order.tasks.process_webhooks", look)
        assert (process_stored_webhooks(), inner) == (0, [0])
    assert process_stored_webhooks() == len(ids)
