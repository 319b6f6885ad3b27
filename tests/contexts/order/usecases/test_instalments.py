"""Interest from the offer to the charge, and back."""

from datetime import timedelta
from decimal import Decimal

import pytest

from contexts.order.adapters import SandboxGateway
from contexts.order.models import Order, PaymentAttempt, Refund, RefundShare
from contexts.order.usecases.cancel_order import cancel_order
from contexts.order.usecases.fulfil import ship_order
from contexts.order.usecases.pay import _request, catch_up, refund_order
from contexts.order.usecases.reconcile import reconcile
from contexts.order.views.tokens import access_token
from ecommerce import clock
from tests.contexts.order.conftest import (
    EVERYWHERE,
    as_json,
    at_gateway,
    booked,
    brl,
    card,
    pay,
    status_of,
    voucher,
    work,
)
from tests.contexts.order.usecases.test_add_payment import BOLETO, PIX, pay_by
from tests.contexts.order.usecases.test_capture import only_authorizing
from tests.contexts.order.usecases.test_refund import back, refunded

pytestmark = pytest.mark.django_db(databases=EVERYWHERE)


@pytest.fixture
def interest(settings) -> None:
    """Three instalments for nothing, up to twelve at 1.99 % a month, none below 5.00."""
    settings.MAXIMUM_INSTALMENTS, settings.FREE_INSTALMENTS = 12, 3
    settings.MINIMUM_INSTALMENT, settings.INSTALMENT_MONTHLY_RATE = Decimal("5.00"), Decimal("1.99")


@pytest.fixture
def filled(shopper, shirt, interest):
    """A cart over 110.00."""
    return shopper.fill(shirt, quantity=2)


def options(answer) -> dict[int, dict]:
    assert answer.status_code == 200, answer.content.decode()
    return {option["count"]: option for option in answer.json()["instalment_options"]}


def refused(answer, status: int, code: str):
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.content.decode()
    assert not Order.objects.exists()
    return answer.json()


def test_the_preview_offers_instalments(filled):
    offered = options(filled.preview())
    assert list(offered) == list(range(1, 13))
    assert offered[3] == {
        "count": 3, "first": as_json(brl("36.68")), "others": as_json(brl("36.66")), "interest": as_json(brl("0.00")),
        "total": as_json(brl("110.00")), "monthly_rate": "0", "bearer": "shop",
    }  # fmt: skip
    assert offered[10] == {
        "count": 10, "first": as_json(brl("12.24")), "others": as_json(brl("12.24")), "interest": as_json(brl("12.40")),
        "total": as_json(brl("122.40")), "monthly_rate": "1.99", "bearer": "buyer",
    }  # fmt: skip


def test_what_does_not_divide_is_on_the_first(filled):
    offered = options(filled.preview())[11]
    assert (offered["total"]["amount"], offered["first"]["amount"], offered["others"]["amount"]) == (
        "123.56", "11.26", "11.23",
    )  # fmt: skip


def test_the_preview_offers_instalments_of_the_part_that_is_paid_by_card(filled):
    offered = options(filled.preview(card_amount=as_json(brl("20.00"))))
    assert (list(offered), offered[4]["total"]["amount"]) == ([1, 2, 3, 4], "21.00")
    for wrong in ("110.01", "0.00"):
        refused(filled.preview(card_amount=as_json(brl(wrong))), 422, "payments_mismatch")


def test_only_what_the_gateway_takes_is_offered(filled, settings):
    settings.PAYMENT_GATEWAYS = {"card": "stripe"}
    assert list(options(filled.preview())) == [1]
    settings.PAYMENT_GATEWAYS = {"pix": "sandbox"}
    assert options(filled.preview()) == {}


def test_the_buyer_pays_the_interest_and_the_order_stays_what_it_costs(filled, psp):
    answer = filled.check_out(card(instalments=10), expected_total=as_json(brl("122.40")))
    order = filled.order(answer)
    [payment] = answer.json()["payments"]
    assert (order.status, order.total, answer.json()["total"]["amount"]) == ("confirmed", Decimal("110.00"), "110.00")
    assert {name: payment[name]["amount"] for name in ("amount", "interest", "charged")} == {
        "amount": "110.00", "interest": "12.40", "charged": "122.40",
    }  # fmt: skip
    assert payment["instalments"] == 10
    assert booked(order) == [("card", "capture", Decimal("122.40"))]
    charge = psp.get(f"/v1/charges/{order.payments.get().gateway_id}").json()
    assert (charge["amount"], charge["captured"]) == ("122.40", "122.40")


def test_the_interest_goes_back_with_the_rest(filled):
    order = filled.order(filled.check_out(card(instalments=10), expected_total=as_json(brl("122.40"))))
    cancel_order(order_id=order.id, reason="desisti", actor="guest", now=clock.now())
    work()
    refund_order(order_id=order.id, reason="again", now=clock.now())
    assert booked(order) == [("card", "capture", Decimal("122.40")), ("card", "refund", Decimal("122.40"))]


def test_interest_that_the_buyer_did_not_agree_to_is_not_charged(filled, psp):
    before = psp.get("/v1/books").json()["count"]
    for expected in ("110.00", "122.39"):
        answer = filled.check_out(card(instalments=10), expected_total=as_json(brl(expected)))
        assert refused(answer, 409, "total_changed")["total"] == as_json(brl("122.40"))
    refused(filled.check_out(card(instalments=3), expected_total=as_json(brl("122.40"))), 409, "total_changed")
    assert psp.get("/v1/books").json()["count"] == before


def test_a_total_that_moved_under_a_divided_payment_is_told(filled):
    parts = [voucher(amount=as_json(brl("10.00"))), card(instalments=10, amount=as_json(brl("90.00")))]
    answer = filled.check_out(*parts, expected_total=as_json(brl("110.12")))
    assert refused(answer, 409, "total_changed")["total"] == as_json(brl("110.00"))


def test_only_the_part_on_the_card_bears_interest(filled):
    parts = [voucher(amount=as_json(brl("10.00"))), card(instalments=10, amount=as_json(brl("100.00")))]
    order = filled.order(filled.check_out(*parts, expected_total=as_json(brl("121.27"))))
    assert booked(order) == [("voucher", "capture", Decimal("10.00")), ("card", "capture", Decimal("111.27"))]


def test_instalments_that_are_too_small_with_their_interest_are_refused(shopper, shirt, interest, settings):
    settings.MINIMUM_INSTALMENT = Decimal("6.00")
    shopper.fill(shirt)
    assert list(options(shopper.preview())) == list(range(1, 12))
    refused(shopper.check_out(card(instalments=12)), 422, "instalments_refused")


# --- the money of the order ------------------------------------------------------------------------------------------
@pytest.fixture
def ten_times(filled):
    """110.00 in ten instalments, for 122.40."""
    return filled.order(filled.check_out(card(instalments=10), expected_total=as_json(brl("122.40"))))


def hear(attempt):
    attempt.refresh_from_db()
    catch_up(attempt=attempt, now=clock.now())
    work()


def ship(order):
    ship_order(
        order_id=order.id, carrier="PAC", tracking_code="BR1", quantities=None, actor="user:staff", now=clock.now()
    )


def differences_of(order):
    """Return what a reconciliation finds of an order's payments."""
    later = clock.now() + timedelta(minutes=11)
    report = reconcile(gateway="sandbox", since=order.placed_at - timedelta(seconds=1), until=later, now=later)
    ours = {payment.gateway_id for payment in order.payments.all()}
    return [finding for finding in report.findings if finding.reference in ours]


def test_interest_is_no_surplus_and_no_difference(ten_times, psp):
    hear(ten_times.payments.get())
    assert (status_of(ten_times), Refund.objects.count(), differences_of(ten_times)) == ("confirmed", 0, [])
    cancel_order(order_id=ten_times.id, reason="desisti", actor="guest", now=clock.now())
    work()
    assert at_gateway(psp, ten_times.payments.get()) == ("refunded", "122.40", "122.40")
    assert (status_of(ten_times), differences_of(ten_times)) == ("cancelled", [])


@pytest.mark.parametrize("pieces", [(1, 1, 1), (2, 1), (1, 2), (3,)])
def test_interest_goes_back_with_the_pieces_that_bore_it(shopper, shirt, interest, psp, pieces):
    shopper.fill(shirt, quantity=3)
    charged = options(shopper.preview())[10]["total"]
    order = shopper.order(shopper.check_out(card(instalments=10), expected_total=charged))
    for count in pieces:
        back(order, count)
    assert sum(refunded(order)) == Decimal(charged["amount"])
    assert at_gateway(psp, order.payments.get())[0] == "refunded"
    interest_back = sum(share.interest for share in RefundShare.objects.all())
    assert interest_back == order.payments.get().interest
    assert {refund.origin for refund in Refund.objects.all()} == {"staff"}


def test_half_of_the_pieces_takes_half_of_the_interest(ten_times, psp):
    refund = back(ten_times, 1)
    share = RefundShare.objects.get()
    assert (refund.amount, share.amount, share.interest) == (Decimal("61.20"), Decimal("61.20"), Decimal("6.20"))
    cancel_order(order_id=ten_times.id, reason="desisti", actor="guest", now=clock.now())
    work()
    assert at_gateway(psp, ten_times.payments.get()) == ("refunded", "122.40", "122.40")


def test_what_was_given_back_by_hand_had_interest_in_it(ten_times, psp):
    payment = ten_times.payments.get()
    psp.post(f"/control/charges/{payment.gateway_id}/refund", json={"amount": "61.20"}).raise_for_status()
    hear(payment)
    by_hand = RefundShare.objects.get()
    assert (by_hand.refund.origin, by_hand.amount, by_hand.interest) == ("gateway", Decimal("61.20"), Decimal("6.20"))
    back(ten_times, 1)
    assert refunded(ten_times) == [Decimal("61.20"), Decimal("61.20")]


def test_a_payment_that_was_not_needed_goes_back_with_its_interest(filled, psp):
    order = filled.order(filled.check_out(PIX))
    answer = pay_by(filled, order, card(instalments=10, expected_total=as_json(brl("122.40"))))
    assert (answer.status_code, answer.json()["interest"]) == (201, as_json(brl("12.40")))
    first, second = order.payments.order_by("position")
    pay(psp, first)
    hear(first)
    [refund] = Refund.objects.all()
    assert (status_of(order), refund.origin, refund.amount) == ("confirmed", "surplus", Decimal("122.40"))
    assert at_gateway(psp, second) == ("refunded", "122.40", "122.40")
    assert at_gateway(psp, first) == ("captured", "110.00", "0.00")


def test_interest_of_another_payment_is_charged_if_the_buyer_agreed_to_it(filled, psp):
    order = filled.order(filled.check_out(PIX))
    for agreed in ({}, {"expected_total": as_json(brl("110.00"))}, {"expected_total": as_json(brl("0.00"))}):
        refusal = pay_by(filled, order, card(instalments=10, **agreed))
        assert (refusal.status_code, refusal.json()["code"]) == (409, "total_changed")
        assert refusal.json()["total"] == as_json(brl("122.40"))
    assert PaymentAttempt.objects.count() == 1
    pay_by(filled, order, card(instalments=10, expected_total=as_json(brl("122.40"))))
    work()
    assert (status_of(order), booked(order)) == ("confirmed", [("card", "capture", Decimal("122.40"))])
    assert Refund.objects.count() == 0


def test_the_order_without_its_interest_is_not_all_that_was_asked_for(filled, psp, monkeypatch):
    monkeypatch.setattr("contexts.order.usecases.pay._request", only_authorizing(_request))
    capture = SandboxGateway.capture
    monkeypatch.setattr(SandboxGateway, "capture", lambda self, id_, key, _: capture(self, id_, key, brl("122.39")))
    answer = filled.check_out(card(instalments=10), expected_total=as_json(brl("122.40")))
    assert (answer.status_code, answer.json()["code"]) == (402, "payment_incomplete")
    assert at_gateway(psp, PaymentAttempt.objects.get())[2] == "122.39"


# --- captured later --------------------------------------------------------------------------------------------------
@pytest.fixture
def later(settings):
    settings.CAPTURE_LATER = frozenset({"card"})


def test_what_is_captured_later_is_captured_with_its_interest(later, ten_times, psp):
    assert (status_of(ten_times), at_gateway(psp, ten_times.payments.get())[0]) == ("confirmed", "authorized")
    ship(ten_times)
    assert at_gateway(psp, ten_times.payments.get()) == ("captured", "122.40", "0.00")
    assert Refund.objects.count() == 0


def test_a_part_that_is_captured_bears_its_part_of_the_interest(later, filled, psp):
    """70.00 are held, of which 30.00 are missing in the end: a boleto was paid beside the Pix that replaced it."""
    parts = [{**BOLETO, "amount": as_json(brl("40.00"))}, card(instalments=10, amount=as_json(brl("70.00")))]
    order = filled.order(filled.check_out(*parts, expected_total=as_json(brl("117.89"))))
    pay_by(filled, order, PIX)
    boleto, held, pix = order.payments.order_by("position")
    for payment in (pix, boleto):
        pay(psp, payment, force=True)
        hear(payment)
    assert (status_of(order), Refund.objects.count()) == ("confirmed", 0)
    ship(order)
    assert held.interest == Decimal("7.89")
    assert booked(order)[-1] == ("card", "capture", Decimal("33.39"))
    assert Refund.objects.count() == 0
    assert back(order, 2).amount == Decimal("113.39")


def test_an_order_that_waits_is_offered_instalments_of_what_is_missing(filled, shopper, shirt):
    offered_before = options(filled.preview())
    order = filled.order(filled.check_out(PIX))
    url, headers = f"/api/v1/orders/{order.id}/instalment-options", {"X-Order-Token": access_token(order.id)}
    offer = shopper.client.get(url, headers=headers)
    assert (offer.json()["missing"], options(offer)) == (as_json(brl("110.00")), offered_before)
    assert shopper.client.get(url).status_code == 404
    Order.objects.filter(id=order.id).update(status="confirmed")
    paid = shopper.client.get(url, headers=headers)
    assert (paid.status_code, paid.json()["code"]) == (409, "order_not_payable")
