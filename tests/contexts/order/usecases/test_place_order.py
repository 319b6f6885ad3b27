"""Purchases through the REST interface, with the real neighbours and the real payment server."""

from datetime import date, timedelta
from decimal import Decimal

import pytest

from contexts.cart.models import Cart
from contexts.catalog.models import Stock, StockReservation
from contexts.notification.models import Message
from contexts.order.domain.banking_days import cleared_by
from contexts.order.events import OrderCancelled, OrderConfirmed
from contexts.order.models import DailySales, Order, PaymentAttempt, TimelineEntry
from contexts.order.usecases.pay import charge_order
from contexts.promotion.models import Coupon, Redemption
from ecommerce.ids import new_id
from ecommerce.saga import engine
from ecommerce.testing import drain, published
from tests.contexts.catalog.factories import on_sale
from tests.contexts.identity.factories import AddressFactory, SavedCardFactory
from tests.contexts.order.conftest import (
    EVERYWHERE,
    Shopper,
    as_json,
    booked,
    brl,
    card,
    client_of,
    stock_of,
    voucher,
)
from tests.contexts.promotion.factories import CouponFactory, DiscountFactory

pytestmark = pytest.mark.django_db(databases=EVERYWHERE)


# --- it goes well ----------------------------------------------------------------------------------------------------
def test_a_purchase_by_card_is_confirmed_at_once(shopper, shirt):
    answer = shopper.fill(shirt, quantity=2).check_out(card())
    order = shopper.order(answer)
    document = answer.json()
    assert (order.status, order.total, answer["Location"]) == (
        "confirmed", Decimal("110.00"), f"/api/v1/orders/{order.id}",
    )  # fmt: skip
    assert document["total"] == {"amount": "110.00", "currency": "BRL"}
    assert [(line["quantity"], line["total"]["amount"]) for line in document["lines"]] == [(2, "100.00")]
    assert [(payment["status"], payment["card"]["last4"]) for payment in document["payments"]] == [("captured", "")]
    assert booked(order) == [("card", "capture", Decimal("110.00"))]
    assert stock_of(shirt) == (10, 2)
    assert shopper.cart_status() == "converted"
    assert "payer" not in str(document["address"])


def test_what_the_others_do_follows_from_the_event(shopper, shirt):
    order = shopper.order(shopper.fill(shirt, quantity=2).check_out())
    [event] = published("order", OrderConfirmed)
    assert (event.order_id, event.total, event.cart_id) == (order.id, brl("110.00"), order.cart_id)
    assert [(line.variant_id, line.quantity, line.unit_price) for line in event.lines] == [
        (shirt.id, 2, brl("50.00")),
    ]
    drain()
    assert stock_of(shirt) == (8, 0)
    assert StockReservation.objects.get(id=order.id).status == "committed"
    assert [(message.kind, message.recipient) for message in Message.objects.all()] == [
        ("order_confirmed", "ana@example.com"),
    ]
    sales = DailySales.objects.get()
    assert (sales.orders, sales.pieces, sales.revenue) == (1, 2, Decimal("110.00"))


def test_the_order_keeps_what_was_sold_whatever_happens_to_the_product(shopper, shirt):
    order = shopper.order(shopper.fill(shirt).check_out())
    shirt.product.name = "Outro nome"
    shirt.product.save()
    line = order.lines.get()
    assert (line.name, line.sku, line.unit_price, line.product_id) == (
        "Camiseta", shirt.sku, Decimal("50.00"), shirt.product_id,
    )  # fmt: skip
    assert order.shipping_snapshot["code"] == "economico"
    assert order.address_snapshot["cep"] == "01310100"


def test_the_timeline_says_who_ordered(customer, shirt):
    order = customer.order(customer.fill(shirt).check_out())
    assert list(order.timeline.order_by("version").values_list("version", "actor", "to_status")) == [
        (1, f"user:{customer.customer_id}", "pending"), (2, "system", "confirmed"),
    ]  # fmt: skip


def test_a_coupon_is_redeemed_and_its_discount_adds_up(shopper, shirt):
    coupon = CouponFactory(code="DEZ", usage_limit=1)
    shopper.fill(shirt, quantity=3, coupon="DEZ")
    order = shopper.order(shopper.check_out())
    assert (order.discount_total, order.total) == (Decimal("15.00"), Decimal("145.00"))
    assert order.coupon_snapshot["code"] == "DEZ"
    assert Redemption.objects.get(id=order.id).status == "reserved"
    drain()
    coupon.refresh_from_db()
    assert (Redemption.objects.get().status, coupon.confirmed_count) == ("confirmed", 1)


def test_an_order_that_costs_nothing_needs_no_payment(shopper, shirt):
    DiscountFactory(percent=Decimal(100))
    DiscountFactory(kind="free_shipping", percent=None)
    order = shopper.order(shopper.fill(shirt).check_out(payments=[]))
    assert (order.status, order.total, order.payments.count()) == ("confirmed", Decimal("0.00"), 0)


def test_two_payments_add_up_to_the_total(shopper, shirt):
    shopper.fill(shirt)
    order = shopper.order(shopper.check_out(voucher(amount=as_json(brl("20.00"))), card(amount=as_json(brl("40.00")))))
    assert booked(order) == [("voucher", "capture", Decimal("20.00")), ("card", "capture", Decimal("40.00"))]


def test_a_customer_uses_a_saved_address_and_a_saved_card(gateway, shipping, shirt):
    address = AddressFactory()
    saved = SavedCardFactory(user=address.user, token="tok_visa")
    customer = Shopper(client=client_of(address.user.pk), customer_id=address.user.pk).fill(shirt)
    payment = {"method": "card", "saved_card_id": str(saved.id), "instalments": 2}
    answer = customer.check_out(payment, address=None, address_id=str(address.id))
    order = customer.order(answer)
    assert (order.customer_id, order.address_snapshot["street"]) == (address.user.pk, "Avenida Paulista")
    assert answer.json()["payments"][0]["card"] == {"brand": "visa", "last4": "4242"}
    assert answer.json()["payments"][0]["instalments"] == 2


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"address": None, "address_id": str(new_id())}, "address_not_found"),
        ({"payments": [{"method": "card", "saved_card_id": str(new_id())}]}, "saved_card_not_found"),
    ],
)
def test_a_guest_has_nothing_saved(shopper, shirt, changes, code):
    answer = shopper.fill(shirt).check_out(**changes)
    assert (answer.status_code, answer.json()["code"]) == (404, code)


# --- it is refused before anything is written -----------------------------------------------------------------------
def refused(answer, status, code):
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.content.decode()
    assert not Order.objects.exists()
    return answer.json()


def test_a_total_that_changed_is_refused_with_the_new_one(shopper, shirt, psp):
    shopper.fill(shirt)
    before = psp.get("/v1/books").json()["count"]
    problem = refused(shopper.check_out(expected_total=as_json(brl("59.99"))), 409, "total_changed")
    assert problem["total"] == {"amount": "60.00", "currency": "BRL"}
    assert (stock_of(shirt), psp.get("/v1/books").json()["count"]) == ((10, 0), before)


def test_a_coupon_that_does_not_apply_any_more_is_refused_with_the_new_total(shopper, shirt):
    coupon = CouponFactory(code="DEZ", usage_limit=1)
    shopper.fill(shirt, coupon="DEZ")
    total = shopper.total()
    Coupon.objects.filter(id=coupon.id).update(usage_count=1)
    problem = refused(shopper.check_out(expected_total=total), 409, "coupon_refused")
    assert (problem["reason"], problem["total"]["amount"]) == ("exhausted", "60.00")


@pytest.mark.parametrize(
    ("payments", "status", "code"),
    [
        ([card(amount=as_json(brl("59.00")))], 422, "payments_mismatch"),
        ([card(amount=as_json(brl("30.00"))), voucher()], 422, "payments_mismatch"),
        ([card(amount={"amount": "60.00", "currency": "USD"})], 422, "payments_mismatch"),
        ([], 422, "payments_mismatch"),
        ([card(instalments=25)], 422, "instalments_refused"),
        ([{"method": "pix", "instalments": 2}], 422, "instalments_refused"),
    ],
)
def test_payments_that_do_not_fit_are_refused(shopper, shirt, payments, status, code):
    refused(shopper.fill(shirt).check_out(payments=payments), status, code)


def test_instalments_have_a_minimum(shopper, shirt, settings):
    settings.MINIMUM_INSTALMENT = Decimal("20.01")
    refused(shopper.fill(shirt).check_out(card(instalments=3)), 422, "instalments_refused")


@pytest.mark.parametrize(
    ("tax_id", "code"), [("", "payer_tax_id_required"), ("390.533.447-06", "payer_tax_id_invalid")]
)
def test_a_boleto_names_its_payer(shopper, shirt, tax_id, code):
    refused(shopper.fill(shirt).check_out({"method": "boleto"}, payer={"tax_id": tax_id}), 422, code)


def test_other_methods_need_no_tax_id(shopper, shirt):
    shopper.order(shopper.fill(shirt).check_out(payer={}))


def test_an_order_needs_an_email(shopper, shirt):
    shopper.fill(shirt).email = ""
    refused(shopper.check_out(), 422, "email_required")


def test_the_cart_must_be_ours_open_and_not_empty(shopper, shirt):
    shopper.fill()
    refused(shopper.check_out(expected_total=as_json(brl("0.00"))), 409, "cart_empty")
    other = Shopper().fill(shirt)
    shopper.cart = {**other.cart, "token": "x" * 43}
    refused(shopper.check_out(expected_total=as_json(brl("60.00"))), 404, "cart_not_found")
    Cart.objects.filter(id=other.cart["id"]).update(status="expired")
    refused(other.check_out(expected_total=as_json(brl("60.00"))), 409, "cart_closed")


def test_what_is_no_longer_sold_cannot_be_bought(shopper, shirt):
    shopper.fill(shirt)
    total = shopper.total()
    shirt.active = False
    shirt.save()
    problem = refused(shopper.check_out(expected_total=total), 404, "variant_unavailable")
    assert problem["variant_ids"] == [str(shirt.id)]


def test_the_shop_sends_only_where_and_how_it_can(shopper):
    stove = on_sale(stock=1, price="900.00")
    stove.weight_grams = 30_001
    stove.save()
    shopper.fill(stove)
    problem = refused(shopper.check_out(expected_total=as_json(brl("910.00"))), 404, "shipping_unavailable")
    assert problem["methods"] == []


# --- the saga turns back --------------------------------------------------------------------------------------------
def test_a_declined_card_leaves_no_trace_but_the_refusal(shopper, shirt):
    coupon = CouponFactory(code="DEZ", usage_limit=1)
    answer = shopper.fill(shirt, coupon="DEZ").check_out(card("tok_insufficient_funds"))
    problem = answer.json()
    assert (answer.status_code, problem["code"], problem["decline_code"]) == (
        402, "payment_declined", "insufficient_funds",
    )  # fmt: skip
    assert answer["Content-Type"] == "application/problem+json"
    order = Order.objects.get()
    coupon.refresh_from_db()
    assert (order.status, stock_of(shirt), coupon.usage_count) == ("failed", (10, 0), 0)
    assert (shopper.cart_status(), booked(order), published("order")) == ("open", [], [])
    assert TimelineEntry.objects.get(order=order, version=2).reason == "payment_declined"


def test_after_a_declined_card_the_same_cart_can_be_bought(shopper, shirt):
    CouponFactory(code="DEZ", usage_limit=1)
    shopper.fill(shirt, coupon="DEZ")
    assert shopper.check_out(card("tok_declined")).status_code == 402
    order = shopper.order(shopper.check_out(card()))
    drain()
    assert (order.status, stock_of(shirt)) == ("confirmed", (9, 0))
    assert [order.status for order in Order.objects.order_by("placed_at")] == ["failed", "confirmed"]


def test_a_declined_second_payment_gives_the_first_back(shopper, shirt, psp):
    shopper.fill(shirt)
    answer = shopper.check_out(
        voucher(amount=as_json(brl("20.00"))), card("tok_declined", amount=as_json(brl("40.00")))
    )
    assert answer.status_code == 402
    order = Order.objects.get()
    assert booked(order) == [("voucher", "capture", Decimal("20.00")), ("voucher", "refund", Decimal("20.00"))]
    paid, declined = order.payments.order_by("position")
    assert (paid.status, declined.status) == ("refunded", "declined")
    assert psp.get(f"/v1/charges/{paid.gateway_id}").json()["refunded"] == "20.00"


def test_a_payment_after_a_declined_one_is_not_even_tried(shopper, shirt, psp):
    before = psp.get("/v1/books").json()["count"]
    shopper.fill(shirt)
    answer = shopper.check_out(
        card("tok_declined", amount=as_json(brl("40.00"))), voucher(amount=as_json(brl("20.00")))
    )
    assert (answer.status_code, psp.get("/v1/books").json()["count"]) == (402, before + 1)
    assert [payment.status for payment in Order.objects.get().payments.order_by("position")] == ["declined", "voided"]


def test_out_of_stock_at_the_last_moment(shopper, shirt):
    shopper.fill(shirt, quantity=2)
    total = shopper.total()
    Stock.objects.filter(variant_id=shirt.id).update(on_hand=1)
    answer = shopper.check_out(expected_total=total)
    assert (answer.status_code, answer.json()["code"]) == (409, "out_of_stock")
    assert answer.json()["shortages"] == [{"variant_id": str(shirt.id), "requested": 2, "available": 1}]
    assert (Order.objects.get().status, stock_of(shirt), shopper.cart_status()) == ("failed", (1, 0), "open")
    assert PaymentAttempt.objects.get().status == "created"


def test_a_coupon_lost_between_quote_and_redemption_charges_nothing(shopper, shirt, psp, monkeypatch):
    coupon = CouponFactory(code="DEZ", usage_limit=1)
    shopper.fill(shirt, coupon="DEZ")
    before = psp.get("/v1/books").json()["count"]
    start = engine.start

    def somebody_else_was_faster(*args, **kwargs):
        Coupon.objects.filter(id=coupon.id).update(usage_count=1)
        return start(*args, **kwargs)

    monkeypatch.setattr(engine, "start", somebody_else_was_faster)
    answer = shopper.check_out()
    problem = answer.json()
    assert (answer.status_code, problem["code"], problem["reason"]) == (409, "coupon_refused", "exhausted")
    assert problem["total"] == {"amount": "60.00", "currency": "BRL"}
    assert (Order.objects.get().failure["params"]["total"]["amount"], stock_of(shirt)) == ("60.00", (10, 0))
    assert psp.get("/v1/books").json()["count"] == before


def test_a_cart_that_changed_meanwhile_is_not_bought_and_the_money_goes_back(shopper, shirt, monkeypatch):
    shopper.fill(shirt)

    def change_the_cart_in_another_tab_and_charge(**kwargs):
        line = {"variant_id": str(shirt.id), "quantity": 1}
        url = f"/api/v1/carts/{shopper.cart['id']}/lines"
        assert shopper.client.post(url, line, headers=shopper.headers).status_code == 200
        return charge_order(**kwargs)

    monkeypatch.setattr("contexts.order.sagas.charge_order", change_the_cart_in_another_tab_and_charge)
    answer = shopper.check_out()
    assert (answer.status_code, answer.json()["code"]) == (409, "cart_changed")
    order = Order.objects.get()
    assert booked(order) == [("card", "capture", Decimal("60.00")), ("card", "refund", Decimal("60.00"))]
    assert (order.status, stock_of(shirt), shopper.cart_status()) == ("failed", (10, 0), "open")


def test_an_unexpected_failure_gives_everything_back_and_tells_nothing(shopper, shirt, monkeypatch):
    def broken(**kwargs):
        raise ZeroDivisionError("secret")

    monkeypatch.setattr("contexts.promotion.provider.redeem", broken)
    CouponFactory(code="DEZ")
    answer = shopper.fill(shirt, coupon="DEZ").check_out()
    assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
    assert "secret" not in answer.content.decode()
    assert "ZeroDivision" not in answer.content.decode()
    assert (Order.objects.get().status, stock_of(shirt)) == ("failed", (10, 0))


def test_stock_is_held_as_long_as_money_may_arrive(shopper, shirt, settings):
    order = shopper.order(shopper.fill(shirt).check_out({"method": "boleto"}))
    due = date.fromisoformat(order.payments.get().client_data["due_date"])
    held = StockReservation.objects.get(id=order.id).expires_at
    assert held == cleared_by(due, settings.BOLETO_CLEARING) + settings.STOCK_HOLD_MARGIN
    assert order.payments.get().expires_at >= order.placed_at + settings.BOLETO_DUE + timedelta(days=3)
    assert published("order", OrderCancelled) == []
