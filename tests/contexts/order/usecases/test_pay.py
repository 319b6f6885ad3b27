"""Money that comes later, late, twice, or perhaps: boleto, Pix, 3-D Secure, time-outs, webhooks."""

from datetime import timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import httpx
import pytest

from contexts.catalog.models import StockReservation
from contexts.catalog.provider import CatalogProvider
from contexts.catalog.usecases.reservations import release_expired_reservations
from contexts.notification.models import Message
from contexts.order import adapters, sagas
from contexts.order.adapters import SandboxGateway
from contexts.order.events import OrderCancelled, OrderConfirmed, OrderPlaced
from contexts.order.models import Order, PaymentAttempt
from contexts.order.usecases.cancel_order import cancel_order
from contexts.order.usecases.pay import SETTLED_AFTER
from contexts.promotion.models import Coupon
from ecommerce import clock
from ecommerce.saga.models import SagaInstance
from ecommerce.testing import drain, published
from tests.contexts.order.conftest import (
    EVERYWHERE,
    as_json,
    booked,
    brl,
    card,
    hand_over,
    saga_of,
    stock_of,
    voucher,
    work,
)
from tests.contexts.promotion.factories import CouponFactory

pytestmark = pytest.mark.django_db(databases=EVERYWHERE)

BOLETO = {"method": "boleto"}
PIX = {"method": "pix"}
SIXTY = Decimal("60.00")


def charge_of(psp: httpx.Client, order: Order) -> str:
    """Return the id of the only charge that the gateway has for an order."""
    [attempt] = order.payments.all()
    [charge] = psp.get("/v1/charges", params={"idempotency_key": str(attempt.id)}).json()["charges"]
    return charge["id"]


def status_of(order: Order) -> str:
    order.refresh_from_db()
    return order.status


def pay(psp: httpx.Client, order: Order, *, force: bool = False) -> None:
    psp.post(f"/control/charges/{charge_of(psp, order)}/pay", json={"force": force}).raise_for_status()


def until_it_lapses(attempt: PaymentAttempt, time_passes, *, but: timedelta = -timedelta(seconds=1)) -> None:
    """Let time pass until just after it lapses: a saga is due by as much later as its record took to be written."""
    time_passes(seconds=(attempt.expires_at - but - clock.now()).total_seconds())


# --- boleto and Pix --------------------------------------------------------------------------------------------------
def test_a_boleto_is_paid_days_later(shopper, shirt, psp, webhooks, time_passes):
    placed = clock.now()
    answer = shopper.fill(shirt).check_out(BOLETO)
    order = shopper.order(answer)
    [payment] = answer.json()["payments"]
    due = (placed + timedelta(days=3)).astimezone(ZoneInfo("America/Sao_Paulo")).date()
    assert (order.status, saga_of(order), payment["status"]) == ("awaiting_payment", "WAITING", "pending")
    assert len(payment["client_data"]["linha_digitavel"].replace(".", "").replace(" ", "")) == 47
    assert payment["client_data"]["due_date"] == due.isoformat()
    assert [event.order_id for event in published("order", OrderPlaced)] == [order.id]
    assert (stock_of(shirt), shopper.cart_status()) == ((10, 1), "converted")

    now = time_passes(days=2)
    pay(psp, order)
    [webhook] = webhooks.wait_for(1)
    assert hand_over(webhook, signed_at=now).json() == {"received": True}
    assert status_of(order) == "awaiting_payment"
    work()
    assert (status_of(order), saga_of(order), booked(order)) == (
        "confirmed", "COMPLETED", [("boleto", "capture", SIXTY)],
    )  # fmt: skip
    drain()
    assert (stock_of(shirt), shopper.cart_status()) == ((9, 0), "converted")
    assert [message.kind for message in Message.objects.order_by("id")] == ["order_placed", "order_confirmed"]


def test_a_boleto_that_nobody_pays_gives_everything_back(shopper, shirt, psp, time_passes):
    coupon = CouponFactory(code="DEZ", usage_limit=1)
    order = shopper.order(shopper.fill(shirt, coupon="DEZ").check_out(BOLETO))
    charge = charge_of(psp, order)
    [attempt] = order.payments.all()
    until_it_lapses(attempt, time_passes, but=timedelta(hours=1))
    assert work() == 0
    time_passes(hours=2)
    work()
    assert (status_of(order), saga_of(order)) == ("cancelled", "COMPENSATED")
    assert order.cancel_reason == "O pagamento não chegou a tempo."
    [event] = published("order", OrderCancelled)
    assert not event.was_confirmed
    drain()
    assert (stock_of(shirt), Coupon.objects.get(id=coupon.id).usage_count) == ((10, 0), 0)
    assert shopper.cart_status() == "open"
    assert psp.get(f"/v1/charges/{charge}").json()["status"] == "voided"


def test_a_cart_cannot_change_under_an_order_that_waits(shopper, shirt, psp):
    order = shopper.order(shopper.fill(shirt).check_out(BOLETO))
    line = {"variant_id": str(shirt.id), "quantity": 1}
    url = f"/api/v1/carts/{shopper.cart['id']}/lines"
    assert shopper.client.post(url, line, headers=shopper.headers).json()["code"] == "cart_changed"
    assert shopper.check_out(expected_total=as_json(brl("60.00"))).json()["code"] == "cart_closed"
    assert status_of(order) == "awaiting_payment"


def test_a_pix_carries_its_code_and_lapses(shopper, shirt, psp, time_passes):
    order = shopper.order(shopper.fill(shirt).check_out(PIX))
    [attempt] = order.payments.all()
    assert attempt.client_data["br_code"].startswith("000201")
    assert attempt.client_data["txid"] == attempt.id.hex
    time_passes(minutes=31)
    work()
    assert (status_of(order), stock_of(shirt)) == ("cancelled", (10, 0))


def test_money_that_came_in_time_counts_even_if_nobody_told_us(shopper, shirt, psp, time_passes):
    order = shopper.order(shopper.fill(shirt).check_out(PIX))
    pay(psp, order)
    time_passes(minutes=31)
    work()
    assert (status_of(order), booked(order)) == ("confirmed", [("pix", "capture", SIXTY)])


def test_money_and_deadline_at_the_same_moment_have_one_winner(shopper, shirt, psp, time_passes, monkeypatch):
    order = shopper.order(shopper.fill(shirt).check_out(PIX))
    void = SandboxGateway.void

    def pay_and_void(self, gateway_id):
        pay(psp, order)
        return void(self, gateway_id)

    monkeypatch.setattr(SandboxGateway, "void", pay_and_void)
    time_passes(minutes=31)
    work()
    assert status_of(order) == "cancelled"
    assert booked(order) == [("pix", "capture", SIXTY), ("pix", "refund", SIXTY)]


def test_the_voucher_goes_back_when_the_boleto_lapses(shopper, shirt, psp, time_passes):
    shopper.fill(shirt)
    order = shopper.order(
        shopper.check_out(voucher(amount=as_json(brl("10.00"))), {**BOLETO, "amount": as_json(brl("50.00"))})
    )
    assert booked(order) == [("voucher", "capture", Decimal("10.00"))]
    until_it_lapses(order.payments.get(method="boleto"), time_passes)
    work()
    assert status_of(order) == "cancelled"
    assert booked(order)[1:] == [("voucher", "refund", Decimal("10.00"))]


# --- 3-D Secure ------------------------------------------------------------------------------------------------------
def test_a_card_that_its_bank_wants_to_see(shopper, shirt, psp, webhooks, settings):
    settings.CORS_ALLOWED_ORIGINS = ["https://loja.example"]
    url = "https://loja.example/obrigado?x=1"
    answer = shopper.fill(shirt).check_out(card("tok_3ds"), return_url=url)
    order = shopper.order(answer)
    [payment] = answer.json()["payments"]
    assert (order.status, payment["status"]) == ("awaiting_payment", "requires_action")
    assert httpx.post(f"{payment['client_data']['redirect_url']}/approve").headers["location"] == url
    hand_over(webhooks.wait_for(1)[0])
    work()
    assert (status_of(order), booked(order)) == ("confirmed", [("card", "capture", SIXTY)])


def test_the_bank_sends_the_browser_to_the_shop_unless_told_otherwise(shopper, shirt, psp, settings):
    settings.STOREFRONT_URL = "https://loja.example"
    answer = shopper.fill(shirt).check_out(card("tok_3ds"))
    redirect = answer.json()["payments"][0]["client_data"]["redirect_url"]
    assert httpx.post(f"{redirect}/approve").headers["location"] == "https://loja.example/"


def test_who_fails_at_the_bank_has_bought_nothing(shopper, shirt, psp, webhooks):
    answer = shopper.fill(shirt).check_out(card("tok_3ds"))
    order = shopper.order(answer)
    httpx.post(f"{answer.json()['payments'][0]['client_data']['redirect_url']}/fail")
    hand_over(webhooks.wait_for(1)[0])
    work()
    assert (status_of(order), order.cancel_reason) == ("cancelled", "O pagamento foi recusado.")
    assert (stock_of(shirt), booked(order)) == ((10, 0), [])


def test_who_never_comes_back_from_the_bank_has_bought_nothing(shopper, shirt, psp, time_passes):
    order = shopper.order(shopper.fill(shirt).check_out(card("tok_3ds")))
    time_passes(minutes=14)
    work()
    assert status_of(order) == "awaiting_payment"
    time_passes(minutes=2)
    work()
    assert (status_of(order), stock_of(shirt)) == ("cancelled", (10, 0))


# --- no answer -------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("token", ["tok_timeout_after_charge", "tok_timeout_before", "tok_error_500"])
def test_without_an_answer_the_order_is_pending_until_a_worker_knows(shopper, shirt, psp, time_passes, token):
    answer = shopper.fill(shirt).check_out(card(token))
    order = shopper.order(answer, 202)
    assert (order.status, answer["Retry-After"], answer["Location"]) == (
        "pending", "2", f"/api/v1/orders/{order.id}",
    )  # fmt: skip
    assert order.payments.get().status == "unknown"
    if token != "tok_timeout_after_charge":
        PaymentAttempt.objects.update(instrument={"token": "tok_approved"})
    time_passes(minutes=1)
    work()
    assert (status_of(order), booked(order)) == ("confirmed", [("card", "capture", SIXTY)])
    charge_of(psp, order)  # there is one only


def test_a_gateway_that_is_away_is_tried_again(shopper, shirt, psp, gateway, time_passes, monkeypatch):
    away = SandboxGateway(url="http://127.0.0.1:1", api_key="x", webhook_secret="x")
    with monkeypatch.context() as patch:
        patch.setattr(adapters, "GATEWAYS", {"sandbox": lambda: away})
        order = shopper.order(shopper.fill(shirt).check_out(), 202)
    assert order.payments.get().status == "created"
    time_passes(minutes=1)
    work()
    assert status_of(order) == "confirmed"


def test_a_charge_that_never_was_is_given_up_when_its_time_is_over(shopper, shirt, psp, time_passes):
    order = shopper.order(shopper.fill(shirt).check_out(card("tok_timeout_before")), 202)
    time_passes(minutes=16)
    work()
    assert (status_of(order), order.failure["code"]) == ("failed", "payment_expired")
    assert (stock_of(shirt), booked(order), shopper.cart_status()) == ((10, 0), [], "open")
    assert psp.get("/v1/charges", params={"reference": str(order.payments.get().id)}).json() == {"charges": []}


def test_a_charge_that_is_found_after_its_time_counts(shopper, shirt, psp, time_passes):
    order = shopper.order(shopper.fill(shirt).check_out(card("tok_timeout_after_charge")), 202)
    time_passes(minutes=16)
    work()
    assert (status_of(order), booked(order)) == ("confirmed", [("card", "capture", SIXTY)])


def test_cancelling_waits_for_a_charge_that_may_still_arrive(shopper, shirt, psp, time_passes):
    order = shopper.order(shopper.fill(shirt).check_out(card("tok_timeout_before")), 202)
    cancel_order(order_id=order.id, reason="desisti", actor="guest", now=clock.now())
    assert (status_of(order), saga_of(order, "CANCEL_ORDER")) == ("cancelled", "RUNNING")
    psp.post("/control/behaviour", json={"kind": "approve"})
    attempt = order.payments.get()
    late = {"token": "tok_approved", "installments": 1}
    body = {"reference": str(attempt.id), "amount": "60.00", "method": "card", "card": late}
    psp.post("/v1/charges", json=body, headers={"Idempotency-Key": str(attempt.id)}).raise_for_status()
    time_passes(minutes=5)
    work()
    assert saga_of(order, "CANCEL_ORDER") == "COMPLETED"
    assert psp.get(f"/v1/charges/{charge_of(psp, order)}").json()["refunded"] == "60.00"


def test_cancelling_gives_up_on_a_charge_that_surely_did_not_happen(shopper, shirt, psp, time_passes):
    order = shopper.order(shopper.fill(shirt).check_out(card("tok_timeout_before")), 202)
    cancel_order(order_id=order.id, reason="desisti", actor="guest", now=clock.now())
    time_passes(seconds=SETTLED_AFTER.total_seconds() / 2)
    work()
    assert saga_of(order, "CANCEL_ORDER") == "RUNNING"
    time_passes(seconds=SETTLED_AFTER.total_seconds())
    work()
    assert (saga_of(order, "CANCEL_ORDER"), saga_of(order)) == ("COMPLETED", "COMPENSATED")
    assert order.payments.get().status == "voided"


def test_a_refund_without_an_answer_is_not_made_twice(shopper, shirt, psp, time_passes):
    order = shopper.order(shopper.fill(shirt).check_out())
    psp.post("/control/behaviour", json={"kind": "timeout_after", "operation": "refund"})
    cancel_order(order_id=order.id, reason="desisti", actor="guest", now=clock.now())
    assert saga_of(order, "CANCEL_ORDER") == "RUNNING"
    time_passes(minutes=1)
    work()
    assert saga_of(order, "CANCEL_ORDER") == "COMPLETED"
    assert booked(order) == [("card", "capture", SIXTY), ("card", "refund", SIXTY)]
    assert len(psp.get(f"/v1/charges/{charge_of(psp, order)}/refunds").json()["refunds"]) == 1


def test_a_refund_that_is_refused_waits_for_a_person(shopper, shirt, psp):
    order = shopper.order(shopper.fill(shirt).check_out())
    psp.post("/control/behaviour", json={"kind": "decline", "operation": "refund"})
    cancel_order(order_id=order.id, reason="desisti", actor="guest", now=clock.now())
    assert (status_of(order), saga_of(order, "CANCEL_ORDER")) == ("cancelled", "PARKED")


# --- late money ------------------------------------------------------------------------------------------------------
def test_money_for_an_order_that_is_gone_goes_back_by_a_saga_of_its_own(shopper, shirt, psp, webhooks, time_passes):
    order = shopper.order(shopper.fill(shirt).check_out(PIX))
    now = time_passes(minutes=31)
    work()
    assert status_of(order) == "cancelled"
    pay(psp, order, force=True)
    hand_over(webhooks.wait_for(1)[0], signed_at=now)
    work()
    assert saga_of(order, "REFUND_ORDER") == "COMPLETED"
    assert booked(order) == [("pix", "capture", SIXTY), ("pix", "refund", SIXTY)]
    assert (status_of(order), order.payments.get().status) == ("cancelled", "refunded")


def test_a_payment_that_arrives_after_its_hold_lapsed_takes_the_stock_anew(shopper, shirt, psp, webhooks, time_passes):
    order = shopper.order(shopper.fill(shirt, quantity=10).check_out(BOLETO))
    StockReservation.objects.update(expires_at=clock.now())
    release_expired_reservations(now=clock.now())
    assert stock_of(shirt) == (10, 0)
    pay(psp, order)
    hand_over(webhooks.wait_for(1)[0])
    work()
    drain()
    assert (status_of(order), stock_of(shirt)) == ("confirmed", (0, 0))


# --- cancelling while it is being placed -----------------------------------------------------------------------------
def test_cancelling_while_the_saga_waits_ends_it(shopper, shirt, psp):
    order = shopper.order(shopper.fill(shirt).check_out(BOLETO))
    charge = charge_of(psp, order)
    cancel_order(order_id=order.id, reason="mudei de ideia", actor="guest", now=clock.now())
    work()
    drain()
    assert (status_of(order), saga_of(order), saga_of(order, "CANCEL_ORDER")) == (
        "cancelled", "COMPENSATED", "COMPLETED",
    )  # fmt: skip
    assert (stock_of(shirt), shopper.cart_status()) == ((10, 0), "open")
    assert psp.get(f"/v1/charges/{charge}").json()["status"] == "voided"
    assert order.cancel_reason == "mudei de ideia"


@pytest.mark.parametrize("step", ["reserve_stock", "charge_order", "confirm_order"])
def test_cancelling_while_create_order_runs_leaves_nothing_behind(shopper, shirt, psp, monkeypatch, step):
    owner = CatalogProvider if step == "reserve_stock" else sagas
    real = getattr(owner, step)

    def cancel_first(*args, **kwargs):
        order = Order.objects.get()
        if order.status == "pending":
            cancel_order(order_id=order.id, reason="rápido", actor="guest", now=clock.now())
            drain("order")
        return real(*args, **kwargs)

    monkeypatch.setattr(owner, step, cancel_first)
    answer = shopper.fill(shirt).check_out()
    assert answer.status_code == 409
    work()
    drain()
    order = Order.objects.get()
    assert (order.status, saga_of(order), saga_of(order, "CANCEL_ORDER")) == ("cancelled", "COMPENSATED", "COMPLETED")
    assert (stock_of(shirt), shopper.cart_status()) == ((10, 0), "open")
    assert sum(amount if kind == "capture" else -amount for _, kind, amount in booked(order)) == 0
    assert published("order", OrderConfirmed) == []


def test_no_saga_is_left_over(shopper, shirt, psp, time_passes):
    for payment in (card(), card("tok_declined"), PIX, card("tok_timeout_after_charge")):
        shopper.fill(shirt).check_out(payment)
    time_passes(hours=1)
    work()
    ended = {"COMPLETED", "COMPENSATED"}
    assert set(SagaInstance.objects.using("order").values_list("status", flat=True)) == ended
