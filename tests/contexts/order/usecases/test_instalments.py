"""Interest from the offer to the charge, and back."""

from decimal import Decimal

import pytest

from contexts.order.models import Order
from contexts.order.usecases.cancel_order import cancel_order
from contexts.order.usecases.pay import refund_order
from ecommerce import clock
from tests.contexts.order.conftest import EVERYWHERE, as_json, booked, brl, card, voucher, work

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
