from dataclasses import replace
from typing import Any

import pytest

from contexts.cart.domain import rules
from contexts.cart.domain.events import Converted, Event, Reopened, following, rebuild
from contexts.cart.domain.rules import Offer
from contexts.cart.domain.state import CartState, Status
from contexts.cart.interface import CartChanged
from contexts.catalog.interface import OutOfStock
from ecommerce.ids import new_id
from ecommerce.money import Money
from tests.contexts.cart.factories import NOON, LineFactory, brl


def state_with(*lines: Any, **attributes: Any) -> CartState:
    defaults: dict[str, Any] = {"version": 5, "contents_version": 3}
    return CartState(
        id=new_id(), currency="BRL", created_at=NOON, last_activity_at=NOON, lines=lines, **{**defaults, **attributes}
    )


def offer(line: Any = None, *, available: int = 2000, **attributes: Any) -> Offer:
    return Offer(line=replace(line or LineFactory.create(), **attributes), available=available)


CLOSED = [Status.CONVERTED, Status.EXPIRED, Status.MERGED]
LINE = LineFactory.create()


@pytest.mark.parametrize("status", CLOSED)
@pytest.mark.parametrize(
    "command",
    [
        lambda state: rules.add(state, [offer(LINE)]),
        lambda state: rules.change_quantity(state, offer(LINE, quantity=2)),
        lambda state: rules.remove(state, LINE.variant_id),
        lambda state: rules.notice_prices(state, [LINE]),
        lambda state: rules.apply_coupon(state, "A"),
        rules.remove_coupon,
        lambda state: rules.leave_contact(state, email="", marketing_consent=True),
        lambda state: rules.claim(state, new_id()),
        lambda state: rules.recover(state, token_hash="1" * 64),
        lambda state: rules.convert(state, version=5, order_id=new_id()),
    ],
)
def test_a_closed_cart_takes_no_command(status, command):
    with pytest.raises(CartChanged) as refused:
        command(state_with(LINE, status=status))
    assert refused.value.params["status"] == status


def test_999_pieces_of_a_variant_are_the_most():
    state = state_with(replace(LINE, quantity=990))
    assert rules.add(state, [offer(LINE, quantity=9)])
    with pytest.raises(rules.QuantityTooLarge):
        rules.add(state, [offer(LINE, quantity=10)])


def test_200_variants_are_the_most():
    lines = [LineFactory.create() for _ in range(200)]
    assert rules.add(state_with(*lines[:199]), [offer()])
    assert rules.add(state_with(*lines), [offer(lines[0])])
    with pytest.raises(rules.TooManyLines):
        rules.add(state_with(*lines), [offer()])


def test_what_is_in_the_cart_counts_against_the_stock_and_every_shortage_is_told():
    scarce, plenty = LineFactory.create(quantity=2), LineFactory.create()
    with pytest.raises(OutOfStock) as refused:
        rules.add(state_with(replace(scarce, quantity=4)), [offer(scarce, available=5), offer(plenty)])
    assert refused.value.params["shortages"] == [{"variant_id": str(scarce.variant_id), "requested": 6, "available": 5}]


def test_a_cart_holds_one_currency():
    with pytest.raises(rules.CurrencyMismatch):
        rules.add(state_with(), [offer(unit_price=Money(brl("1.00").amount, "USD"))])


def test_only_a_line_that_is_there_changes():
    with pytest.raises(rules.LineNotFound):
        rules.change_quantity(state_with(), offer(LINE))
    with pytest.raises(rules.LineNotFound):
        rules.remove(state_with(), LINE.variant_id)


def test_more_than_the_stock_is_refused_when_changing_too():
    with pytest.raises(OutOfStock):
        rules.change_quantity(state_with(LINE), offer(LINE, quantity=3, available=2))


@pytest.mark.parametrize(
    "command",
    [
        lambda state: rules.change_quantity(state, offer(LINE)),
        lambda state: rules.notice_prices(state, [LINE]),
        lambda state: rules.apply_coupon(state, "A"),
        lambda state: rules.leave_contact(state, email="ana@example.com", marketing_consent=True),
        lambda state: rules.claim(state, LINE.product_id),
    ],
)
def test_a_wish_already_fulfilled_records_nothing(command):
    state = state_with(
        LINE, coupon_code="A", email="ana@example.com", marketing_consent=True, customer_id=LINE.product_id
    )
    assert command(state) == []


def test_only_prices_that_moved_are_noticed():
    cheap, same = LineFactory.create(), LineFactory.create()
    [noticed] = rules.notice_prices(
        state_with(cheap, same), [replace(cheap, unit_price=brl("8.00")), same, LineFactory.create()]
    )
    assert [price.variant_id for price in noticed.prices] == [cheap.variant_id]


def test_a_cart_converts_at_the_version_of_its_contents_or_any_later_one():
    for version in (3, 4, 5):
        assert rules.convert(state_with(LINE), version=version, order_id=new_id())
    for version in (2, 6):
        with pytest.raises(CartChanged) as refused:
            rules.convert(state_with(LINE), version=version, order_id=new_id())
        assert refused.value.params["version"] == 5


def test_converting_again_to_the_same_order_is_nothing_and_to_another_is_refused():
    order = new_id()
    state = state_with(LINE, status=Status.CONVERTED, converted_order_id=order)
    assert rules.convert(state, version=1, order_id=order) == []
    with pytest.raises(CartChanged):
        rules.convert(state, version=5, order_id=new_id())


def test_only_the_order_it_became_reopens_a_cart():
    order = new_id()
    state = state_with(LINE, status=Status.CONVERTED, converted_order_id=order)
    assert rules.reopen(state, order_id=order) == [Reopened(order_id=order)]
    assert rules.reopen(state, order_id=new_id()) == []
    assert rules.reopen(state_with(LINE), order_id=order) == []


def test_a_late_conversion_after_the_reopening_is_refused():
    order = new_id()
    state = state_with(LINE)
    events: list[Event] = [Converted(order_id=order), Reopened(order_id=order)]
    reopened = rebuild(following(state, events, at=NOON, actor="order"), state)
    assert reopened.status == Status.OPEN
    with pytest.raises(CartChanged):
        rules.convert(reopened, version=5, order_id=order)


def test_a_cart_is_abandoned_once_and_only_with_something_in_it():
    assert rules.abandon(state_with(LINE), notified=True)
    assert rules.abandon(state_with(LINE, abandoned_at=NOON), notified=True) == []
    assert rules.abandon(state_with(), notified=True) == []
    assert rules.abandon(state_with(LINE, status=Status.CONVERTED), notified=True) == []


def test_only_open_carts_expire():
    assert rules.expire(state_with())
    for status in CLOSED:
        assert rules.expire(state_with(LINE, status=status)) == []
