"""Another payment on an order that waits: the first that pays counts, the others are let go, a surplus goes back."""

from datetime import timedelta
from decimal import Decimal
from uuid import uuid4

import httpx
import pytest

from contexts.catalog.models import StockReservation
from contexts.order import sagas
from contexts.order.adapters import SandboxGateway
from contexts.order.events import OrderConfirmed, OrderRefunded
from contexts.order.models import DailySales, PaymentAttempt, Refund
from contexts.order.usecases import add_payment as adding
from contexts.order.usecases.cancel_order import cancel_order
from contexts.order.usecases.pay import catch_up
from contexts.order.views.tokens import access_token
from ecommerce import clock
from ecommerce.testing import drain, published
from tests.contexts.order.conftest import (
    EVERYWHERE,
    as_json,
    at_gateway,
    booked,
    brl,
    card,
    hand_over,
    pay,
    saga_of,
    status_of,
    stock_of,
    together,
    voucher,
    work,
)

pytestmark = pytest.mark.django_db(databases=EVERYWHERE)

PIX, BOLETO = {"method": "pix"}, {"method": "boleto"}
SIXTY = Decimal("60.00")


@pytest.fixture
def waiting(shopper, shirt):
    """An order that waits for its Pix."""
    return shopper.order(shopper.fill(shirt).check_out(PIX))


def pay_by(shopper, order, payment, *, key=""):
    headers = {"X-Order-Token": access_token(order.id), "Idempotency-Key": key or uuid4().hex}
    return shopper.client.post(f"/api/v1/orders/{order.id}/payments", payment, headers=headers)


def attempts_of(order):
    return list(order.payments.order_by("position"))


def give_back(psp: httpx.Client, attempt: PaymentAttempt, amount: str) -> None:
    psp.post(f"/control/charges/{attempt.gateway_id}/refund", json={"amount": amount}).raise_for_status()


def expire(psp: httpx.Client, attempt: PaymentAttempt) -> None:
    psp.post(f"/control/charges/{attempt.gateway_id}/expire").raise_for_status()


def hear(attempt):
    attempt.refresh_from_db()
    catch_up(attempt=attempt, now=clock.now())


# --- what it does ----------------------------------------------------------------------------------------------------
def test_a_card_pays_what_a_pix_was_to_pay(shopper, waiting, shirt, psp):
    answer = pay_by(shopper, waiting, card())
    assert (answer.status_code, answer.json()["status"], answer.json()["amount"]) == (
        201, "captured", as_json(brl("60.00")),
    )  # fmt: skip
    work()
    first, second = attempts_of(waiting)
    assert (status_of(waiting), booked(waiting)) == ("confirmed", [("card", "capture", SIXTY)])
    assert (at_gateway(psp, first)[0], at_gateway(psp, second)[0]) == ("voided", "captured")
    assert (saga_of(waiting, "CLOSE_PAYMENTS"), len(published("order", OrderConfirmed))) == ("COMPLETED", 1)


def test_what_a_voucher_has_paid_is_not_paid_again(shopper, shirt, psp):
    shopper.fill(shirt)
    payments = voucher(amount=as_json(brl("10.00"))), {**BOLETO, "amount": as_json(brl("50.00"))}
    order = shopper.order(shopper.check_out(*payments))
    wrong = pay_by(shopper, order, {**PIX, "amount": as_json(brl("60.00"))})
    assert (wrong.json()["code"], wrong.json()["total"]) == ("payments_mismatch", as_json(brl("50.00")))
    assert pay_by(shopper, order, PIX).json()["amount"] == as_json(brl("50.00"))


def test_the_pieces_are_held_as_long_as_the_new_payment_may_take(shopper, waiting):
    before = StockReservation.objects.get(id=waiting.id).expires_at
    answer = pay_by(shopper, waiting, BOLETO)
    assert answer.status_code == 201
    boleto = attempts_of(waiting)[1]
    held_until = StockReservation.objects.get(id=waiting.id).expires_at
    assert before < boleto.expires_at < held_until


def test_a_declined_card_leaves_the_pix_as_it_was(shopper, waiting, psp):
    answer = pay_by(shopper, waiting, card("tok_declined"))
    assert (answer.status_code, answer.json()["status"], answer.json()["decline_code"]) == (
        201, "declined", "do_not_honor",
    )  # fmt: skip
    work()
    assert (status_of(waiting), saga_of(waiting)) == ("awaiting_payment", "WAITING")
    pay(psp, attempts_of(waiting)[0])
    hear(attempts_of(waiting)[0])
    work()
    assert (status_of(waiting), booked(waiting)) == ("confirmed", [("pix", "capture", SIXTY)])


def test_the_end_of_the_first_payment_never_touches_the_second(shopper, webhooks, waiting, psp, time_passes):
    assert pay_by(shopper, waiting, BOLETO).status_code == 201
    first, second = attempts_of(waiting)
    expire(psp, first)
    hand_over(webhooks.wait_for(1)[0])
    work()
    now = time_passes(minutes=31)
    work()
    first.refresh_from_db()
    assert (first.status, status_of(waiting), saga_of(waiting)) == ("expired", "awaiting_payment", "WAITING")
    pay(psp, second)
    hand_over(webhooks.wait_for(2)[1], signed_at=now)
    work()
    assert (status_of(waiting), booked(waiting)) == ("confirmed", [("boleto", "capture", SIXTY)])


def test_an_order_is_cancelled_when_the_last_of_its_payments_lapses(shopper, waiting, shirt, psp, time_passes):
    time_passes(minutes=20)
    pay_by(shopper, waiting, PIX)
    time_passes(minutes=20)
    work()
    assert status_of(waiting) == "awaiting_payment"
    time_passes(minutes=20)
    work()
    assert (status_of(waiting), stock_of(shirt)) == ("cancelled", (10, 0))


def test_after_the_last_payment_failed_another_may_come_if_the_shop_gives_time(
    shopper, shirt, psp, time_passes, settings
):
    settings.PAYMENT_RETRY_WINDOW = timedelta(hours=1)
    order = shopper.order(shopper.fill(shirt).check_out(PIX))
    expire(psp, attempts_of(order)[0])
    hear(attempts_of(order)[0])
    time_passes(minutes=45)
    work()
    assert status_of(order) == "awaiting_payment"
    assert pay_by(shopper, order, card()).status_code == 201
    work()
    assert status_of(order) == "confirmed"


# --- paid twice ------------------------------------------------------------------------------------------------------
def test_what_is_paid_twice_goes_back(shopper, waiting, psp):
    pay_by(shopper, waiting, BOLETO)
    for attempt in attempts_of(waiting):
        pay(psp, attempt)
        hear(attempt)
    work()
    refund = Refund.objects.get(order=waiting)
    assert (status_of(waiting), refund.origin, refund.amount, refund.status) == (
        "confirmed", "surplus", SIXTY, "done",
    )  # fmt: skip
    assert booked(waiting) == [("pix", "capture", SIXTY), ("boleto", "capture", SIXTY), ("boleto", "refund", SIXTY)]
    [event] = published("order", OrderRefunded)
    assert (event.amount, event.of_sale) == (brl("60.00"), brl("0.00"))
    drain()
    sales = DailySales.objects.get()
    assert (sales.revenue, sales.refunded) == (SIXTY, Decimal("0.00"))


def test_what_a_person_gives_back_by_hand_is_first_what_was_paid_twice_and_then_of_the_sale(shopper, waiting, psp):
    pay_by(shopper, waiting, BOLETO)
    first, second = attempts_of(waiting)
    for attempt in (first, second):
        pay(psp, attempt)
    give_back(psp, second, "20.00")
    for attempt in (first, second):
        hear(attempt)
    work()
    give_back(psp, first, "5.00")
    catch_up(attempt=first, now=clock.now())
    work()
    assert [(event.amount, event.of_sale) for event in published("order", OrderRefunded)] == [
        (brl("20.00"), brl("0.00")), (brl("40.00"), brl("0.00")), (brl("5.00"), brl("5.00")),
    ]  # fmt: skip
    assert [at_gateway(psp, attempt) for attempt in (first, second)] == [
        ("captured", "60.00", "5.00"), ("refunded", "60.00", "60.00"),
    ]  # fmt: skip
    drain()
    sales = DailySales.objects.get()
    assert (sales.revenue, sales.refunded) == (SIXTY, Decimal("5.00"))


def test_money_for_a_payment_that_was_let_go_goes_back(shopper, waiting, psp):
    pay_by(shopper, waiting, card())
    work()
    first, second = attempts_of(waiting)
    pay(psp, first, force=True)
    hear(first)
    work()
    assert [at_gateway(psp, attempt) for attempt in (first, second)] == [
        ("captured", "60.00", "0.00"), ("refunded", "60.00", "60.00"),
    ]  # fmt: skip
    assert (status_of(waiting), Refund.objects.get().origin) == ("confirmed", "surplus")


def test_a_pix_that_is_paid_while_it_is_let_go_goes_back(shopper, waiting, psp, monkeypatch):
    void = SandboxGateway.void

    def paid_first(self, gateway_id):
        pay(psp, attempts_of(waiting)[0])
        return void(self, gateway_id)

    monkeypatch.setattr(SandboxGateway, "void", paid_first)
    pay_by(shopper, waiting, card())
    work()
    kinds = [kind for _, kind, _ in booked(waiting)]
    assert (status_of(waiting), kinds.count("capture"), kinds.count("refund")) == ("confirmed", 2, 1)


# --- what an order that ends holds ------------------------------------------------------------------------------------
def test_what_is_authorized_while_the_order_is_undone_is_let_go(
    shopper, waiting, psp, settings, time_passes, monkeypatch
):
    settings.CAPTURE_LATER = frozenset({"card"})
    expire(psp, attempts_of(waiting)[0])
    hear(attempts_of(waiting)[0])

    def fail(**kwargs):
        raise RuntimeError

    with monkeypatch.context() as patch:
        patch.setattr(sagas, "reject_order", fail)
        time_passes(minutes=31)
        work()
        assert saga_of(waiting) == "COMPENSATING"
        assert pay_by(shopper, waiting, card()).json()["status"] == "authorized"
    time_passes(minutes=6)
    work()
    assert (status_of(waiting), saga_of(waiting, "REFUND_ORDER")) == ("cancelled", "COMPLETED")
    assert at_gateway(psp, attempts_of(waiting)[1]) == ("voided", "0.00", "0.00")
    assert booked(waiting) == [("card", "authorize", SIXTY), ("card", "release", SIXTY)]


@pytest.mark.parametrize("payment", [card(), BOLETO])
def test_a_payment_that_is_charged_after_the_order_forgot_it_is_let_go(
    shopper, waiting, psp, settings, monkeypatch, payment
):
    """The order is cancelled when the charge is on its way and the gateway does not know it yet."""
    settings.CAPTURE_LATER = frozenset({"card"})
    charge = SandboxGateway.charge

    def cancelled_first(self, request):
        cancel_order(order_id=waiting.id, reason="desisti", actor="guest", now=clock.now())
        work()
        return charge(self, request)

    monkeypatch.setattr(SandboxGateway, "charge", cancelled_first)
    assert pay_by(shopper, waiting, payment).json()["status"] == "voided"
    assert (at_gateway(psp, attempts_of(waiting)[1])[0], status_of(waiting)) == ("voided", "cancelled")


# --- refusals --------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("ended", [True, False])
def test_an_order_that_waits_for_nothing_takes_no_payment(shopper, shirt, ended):
    order = shopper.order(shopper.fill(shirt).check_out())
    if ended:
        cancel_order(order_id=order.id, reason="desisti", actor="guest", now=clock.now())
    answer = pay_by(shopper, order, card())
    assert (answer.status_code, answer.json()["code"]) == (409, "order_not_payable")
    assert order.payments.count() == 1


def test_there_is_an_end_to_payments(shopper, waiting, monkeypatch):
    monkeypatch.setattr(adding, "MOST_ATTEMPTS", 1)
    assert pay_by(shopper, waiting, card()).json()["code"] == "too_many_payments"


def test_a_boleto_needs_a_payer_who_may_be_named_now(shopper, shirt, psp):
    order = shopper.order(shopper.fill(shirt).check_out(PIX, payer={"name": "", "tax_id": ""}))
    assert pay_by(shopper, order, BOLETO).json()["code"] == "payer_tax_id_required"
    named = pay_by(shopper, order, {**BOLETO, "payer": {"name": "Ana", "tax_id": "390.533.447-05"}})
    assert named.json()["client_data"]["linha_digitavel"]


def test_pieces_that_are_gone_are_not_paid_for(shopper, waiting, shirt):
    StockReservation.objects.filter(id=waiting.id).update(expires_at=clock.now())
    adding.catalog.release_stock(reservation_id=waiting.id)
    shopper.order(shopper.fill(shirt, quantity=10).check_out())
    answer = pay_by(shopper, waiting, card())
    assert (answer.status_code, answer.json()["code"]) == (409, "out_of_stock")
    assert waiting.payments.count() == 1


# --- once ------------------------------------------------------------------------------------------------------------
def test_a_repeated_request_charges_once(shopper, waiting, psp):
    first, second = (pay_by(shopper, waiting, card(), key="same") for _ in range(2))
    assert (first.json(), second["Idempotency-Replayed"]) == (second.json(), "true")
    assert pay_by(shopper, waiting, BOLETO, key="same").json()["code"] == "idempotency_key_reused"
    assert waiting.payments.count() == 2


@pytest.mark.parametrize("token", ["tok_timeout_after_charge", "tok_error_500"])
def test_without_an_answer_a_worker_finds_out(shopper, waiting, psp, time_passes, token):
    answer = pay_by(shopper, waiting, card(token))
    assert (answer.status_code, answer.json()["status"]) == (202, "unknown")
    PaymentAttempt.objects.filter(method="card").update(instrument={"token": "tok_approved"})
    time_passes(minutes=2)
    work()
    assert (status_of(waiting), booked(waiting)) == ("confirmed", [("card", "capture", SIXTY)])


def test_killed_before_the_charge_it_is_charged_by_a_worker(shopper, waiting, psp, time_passes, monkeypatch):
    class Killed(BaseException):
        pass

    def die(**kwargs):
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(adding, "charge_attempt", die)
        with pytest.raises(Killed):
            pay_by(shopper, waiting, card())
    assert work() == 0
    time_passes(seconds=adding.TAKEN_UP_AFTER.total_seconds() + 1)
    work()
    assert (status_of(waiting), booked(waiting)) == ("confirmed", [("card", "capture", SIXTY)])


@pytest.mark.django_db(databases=EVERYWHERE, transaction=True)
def test_payments_at_the_same_moment_leave_the_price_with_the_shop(shopper, shirt, psp):
    """Each sees what the others secured, or is found to be a surplus; both ways the shop keeps 60.00."""
    order = shopper.order(shopper.fill(shirt).check_out(PIX))
    together([lambda: pay_by(shopper, order, card())] * 4)
    for _ in range(3):
        work()
    assert status_of(order) == "confirmed"
    assert sum(amount if kind == "capture" else -amount for _, kind, amount in booked(order)) == SIXTY
