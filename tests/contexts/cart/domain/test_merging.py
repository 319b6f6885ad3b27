from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contexts.cart.domain.events import CartMerged, following, rebuild
from contexts.cart.domain.merging import MergeWithItself, sum_capped
from contexts.cart.domain.rules import Offer
from contexts.cart.domain.state import CartState, Line, Status
from contexts.cart.interface import CartChanged
from ecommerce.ids import new_id
from tests.contexts.cart.factories import NOON, LineFactory, brl


def cart(*lines: Line, **attributes: Any) -> CartState:
    return CartState(
        id=new_id(), currency="BRL", created_at=NOON, last_activity_at=NOON, version=1, lines=lines, **attributes
    )


def offers(*lines: Line, available: int = 2000, price: str = "10.00") -> dict[Any, Offer]:
    return {line.variant_id: Offer(line=replace(line, unit_price=brl(price)), available=available) for line in lines}


def merged(target: CartState, source: CartState, on_offer: dict[Any, Offer]) -> tuple[CartState, CartMerged]:
    merge = sum_capped(target=target, source=source, offers=on_offer)
    after = rebuild(following(target, merge.target, at=NOON, actor="guest"), target)
    [event] = merge.target
    assert isinstance(event, CartMerged)
    ended = rebuild(following(source, merge.source, at=NOON, actor="guest"), source)
    assert (ended.status, ended.merged_into_id) == (Status.MERGED, target.id)
    return after, event


def test_quantities_add_up_at_todays_price():
    line = LineFactory.create(quantity=2)
    after, event = merged(cart(replace(line, quantity=3)), cart(line), offers(line, price="12.00"))
    assert [(one.quantity, one.unit_price) for one in after.lines] == [(5, brl("12.00"))]
    [outcome] = event.outcomes
    assert (outcome.cap, outcome.seen_price, outcome.price) == ("", brl("10.00"), brl("12.00"))


@pytest.mark.parametrize(
    ("held", "more", "available", "expected", "cap"),
    [
        (3, 4, 5, 5, "stock"),
        (6, 4, 5, 6, "stock"),
        (0, 4, 0, 0, "stock"),
        (600, 600, 2000, 999, "quantity_limit"),
        (2, 2, 4, 4, ""),
    ],
)
def test_sums_are_capped_but_the_target_never_shrinks(held, more, available, expected, cap):
    line = LineFactory.create(quantity=more)
    target = cart(replace(line, quantity=held)) if held else cart()
    after, event = merged(target, cart(line), offers(line, available=available))
    assert after.quantity_of(line.variant_id) == expected
    assert (event.outcomes[0].requested, event.outcomes[0].quantity, event.outcomes[0].cap) == (
        held + more,
        expected,
        cap,
    )


def test_what_is_no_longer_sold_stays_behind_and_is_reported():
    gone = LineFactory.create()
    after, event = merged(cart(), cart(gone), {})
    assert after.lines == ()
    assert event.outcomes[0].cap == "unavailable"


def test_lines_beyond_200_stay_behind_and_are_reported():
    full = [LineFactory.create() for _ in range(199)]
    more = [LineFactory.create() for _ in range(2)]
    after, event = merged(cart(*full), cart(*more), offers(*more))
    assert len(after.lines) == 200
    assert [outcome.cap for outcome in event.outcomes] == ["", "line_limit"]


def test_the_targets_coupon_and_contact_win():
    source = cart(coupon_code="B", email="guest@example.com", marketing_consent=True)
    kept, _ = merged(cart(coupon_code="A", email="ana@example.com"), source, {})
    assert (kept.coupon_code, kept.email, kept.marketing_consent) == ("A", "ana@example.com", False)
    taken, _ = merged(cart(), source, {})
    assert (taken.coupon_code, taken.email, taken.marketing_consent) == ("B", "guest@example.com", True)


def test_a_cart_does_not_merge_with_itself_or_with_a_closed_one():
    one = cart()
    with pytest.raises(MergeWithItself):
        sum_capped(target=one, source=one, offers={})
    with pytest.raises(CartChanged):
        sum_capped(target=one, source=cart(status=Status.EXPIRED), offers={})
    with pytest.raises(CartChanged):
        sum_capped(target=cart(status=Status.EXPIRED), source=one, offers={})


LINES = [LineFactory.create() for _ in range(4)]
CONTENTS = st.lists(
    st.tuples(st.sampled_from(LINES), st.integers(1, 999)), max_size=4, unique_by=lambda pair: pair[0].variant_id
).map(lambda pairs: [replace(line, quantity=quantity) for line, quantity in pairs])


@given(CONTENTS, CONTENTS, st.integers(0, 1500))
def test_no_merge_loses_a_line_of_the_target_or_goes_beyond_a_limit(held, coming, available):
    target = cart(*held)
    after, event = merged(target, cart(*coming), offers(*coming, available=available))
    for line in after.lines:
        before = target.quantity_of(line.variant_id)
        assert before <= line.quantity <= max(before, min(available, 999))
    assert {line.variant_id for line in held} <= {line.variant_id for line in after.lines}
    assert len(event.outcomes) == len(coming)
