from dataclasses import replace
from typing import Any

from contexts.cart.domain.review import basket_of, no_discounts, review, review_by_last_known_prices
from contexts.cart.domain.state import CartState, Line
from contexts.catalog.interface import Variant
from contexts.promotion.interface import AppliedDiscount, Quote
from ecommerce.ids import new_id
from tests.contexts.cart.factories import NOON, LineFactory, VariantFactory, brl


def cart(*lines: Line) -> CartState:
    return CartState(id=new_id(), currency="BRL", created_at=NOON, last_activity_at=NOON, lines=lines)


def sold(line: Line, **attributes: Any) -> Variant:
    return VariantFactory.create(id=line.variant_id, product_id=line.product_id, **attributes)


def by_id(*variants: Variant) -> dict[Any, Variant]:
    return {variant.id: variant for variant in variants}


def test_a_cart_that_nothing_happened_to_is_ready():
    line = LineFactory.create(quantity=3)
    found = review(cart(line), variants=by_id(sold(line)), quote=no_discounts("BRL"))
    assert found.ready_for_checkout
    assert found.total == brl("30.00")


def test_prices_and_stock_that_moved_are_named_and_block_the_checkout():
    dearer, scarce, gone, off = (LineFactory.create(quantity=2) for _ in range(4))
    variants = by_id(
        sold(dearer, price=brl("12.00")), sold(scarce, available=1, price=brl("9.00")), sold(off, on_sale=False)
    )
    found = review(cart(dearer, scarce, gone, off), variants=variants, quote=no_discounts("BRL"))
    assert [line.issues for line in found.lines] == [
        ["price_changed"],
        ["price_changed", "out_of_stock"],
        ["unavailable"],
        ["unavailable"],
    ]
    assert found.subtotal == brl("42.00")
    assert not found.ready_for_checkout


def test_the_explanation_adds_up_to_the_total():
    one, two = LineFactory.create(quantity=2), LineFactory.create()
    applied = AppliedDiscount(
        discount_id=new_id(), label="Semana do cliente", amount=brl("4.50"), shipping_amount=brl("0.00")
    )
    quote = Quote(
        applied=[applied],
        line_discounts={str(one.variant_id): brl("4.50"), str(two.variant_id): brl("0.00")},
        shipping_discount=brl("0.00"),
        total_discount=brl("4.50"),
    )
    found = review(cart(one, two), variants=by_id(sold(one), sold(two)), quote=quote)
    *steps, last = found.explanation
    assert [(step.kind, step.amount) for step in steps] == [
        ("line", brl("20.00")),
        ("line", brl("10.00")),
        ("discount", brl("-4.50")),
    ]
    assert last.amount == found.total == sum((step.amount for step in steps), start=brl("0.00"))
    assert [line.discount for line in found.lines] == [brl("4.50"), brl("0.00")]


def test_without_catalog_the_last_known_prices_stand_in_and_nothing_is_promised():
    known, unknown = LineFactory.create(), LineFactory.create()
    found = review_by_last_known_prices(
        cart(known, unknown), prices={known.variant_id: brl("11.00")}, refusal="exhausted"
    )
    assert [(line.current_price, line.available, line.issues) for line in found.lines] == [
        (brl("11.00"), None, ["price_changed"]),
        (brl("10.00"), None, []),
    ]
    assert found.unknown == ["stock", "discounts"]
    assert found.coupon_refusal == "exhausted"
    assert not found.ready_for_checkout


def test_promotion_sees_todays_prices_of_what_is_sold():
    line, gone = LineFactory.create(quantity=2), LineFactory.create()
    variant = sold(line, price=brl("12.00"))
    state = replace(cart(line, gone), email="ana@example.com", coupon_code="A")
    basket = basket_of(state, variants=by_id(variant), coupon_code="B")
    [only] = basket.lines
    assert (only.line_id, only.unit_price, only.quantity) == (str(line.variant_id), brl("12.00"), 2)
    assert only.category_ids == variant.category_ids
    assert (basket.coupon_code, basket.email) == ("B", "ana@example.com")


def test_an_empty_cart_is_not_ready():
    assert not review(cart(), variants={}, quote=no_discounts("BRL")).ready_for_checkout
