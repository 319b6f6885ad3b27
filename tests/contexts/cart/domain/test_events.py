import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contexts.cart.domain import rules
from contexts.cart.domain.events import (
    EVENT_TYPES,
    Abandoned,
    CartCreated,
    ContactLeft,
    Expired,
    ItemAdded,
    Recorded,
    Recovered,
    apply,
    following,
    from_data,
    rebuild,
    to_data,
)
from contexts.cart.domain.rules import Offer
from contexts.cart.domain.state import CartState, Line
from ecommerce.errors import DomainError
from ecommerce.ids import new_id
from tests.contexts.cart.factories import NOON, LineFactory, brl

GOLDEN = json.loads((Path(__file__).parent.parent / "golden_events.json").read_text())
CREATED = CartCreated(cart_id=new_id(), currency="BRL", token_hash="0" * 64)


def fresh(*events: object) -> CartState:
    return rebuild(following(None, [CREATED, *events], at=NOON, actor="guest"))  # type: ignore[list-item]


@pytest.mark.parametrize("stored", GOLDEN, ids=lambda stored: stored["type"])
def test_every_event_ever_stored_can_still_be_read(stored):
    event = from_data(stored["type"], stored["data"])
    assert event.type == stored["type"]
    assert to_data(event).items() >= stored["data"].items()


def test_the_golden_corpus_knows_every_event_type():
    assert {stored["type"] for stored in GOLDEN} == set(EVENT_TYPES)


def test_a_log_must_start_with_the_creation():
    with pytest.raises(ValueError, match="cannot start"):
        rebuild(following(None, [Expired()], at=NOON, actor="guest"))


def test_a_gap_in_the_log_is_noticed():
    [first, second] = following(None, [CREATED, Expired()], at=NOON, actor="guest")
    with pytest.raises(ValueError, match="cannot follow"):
        rebuild([first, replace(second, version=3)])


def test_a_cart_is_created_once():
    with pytest.raises(ValueError, match="twice"):
        fresh(CREATED)


def test_an_empty_log_is_no_cart():
    with pytest.raises(ValueError, match="at least one"):
        rebuild([])


def test_adding_a_variant_again_adds_up_and_keeps_its_place():
    first, second = LineFactory.create(quantity=2), LineFactory.create()
    again = replace(first, quantity=3, unit_price=brl("12.00"))
    state = fresh(ItemAdded(line=first), ItemAdded(line=second), ItemAdded(line=again))
    assert [(line.variant_id, line.quantity) for line in state.lines] == [
        (first.variant_id, 5),
        (second.variant_id, 1),
    ]
    assert state.lines[0].unit_price == brl("12.00")
    assert state.subtotal == brl("70.00")


def test_a_reminder_is_no_activity_and_any_activity_ends_the_abandonment():
    later = NOON + timedelta(hours=2)
    left = apply(fresh(), Recorded(version=2, at=later, actor="system", event=Abandoned(notified=True)))
    assert (left.last_activity_at, left.abandoned_at) == (NOON, later)
    back = apply(left, Recorded(version=3, at=later, actor="guest", event=Recovered(token_hash="1" * 64)))
    assert (back.last_activity_at, back.abandoned_at) == (later, None)


def test_contacts_and_reminders_do_not_count_as_changes_of_contents():
    contact = ContactLeft(email="ana@example.com", marketing_consent=True)
    state = fresh(ItemAdded(line=LineFactory.create()), contact, Abandoned(notified=True))
    assert (state.version, state.contents_version) == (4, 2)


LINES = [LineFactory.create() for _ in range(4)]
VARIANTS = st.sampled_from([line.variant_id for line in LINES])
ORDERS = st.sampled_from([new_id(), new_id()])
OFFERS = st.builds(
    lambda line, quantity, cents, available: Offer(
        line=replace(line, quantity=quantity, unit_price=brl(f"{cents}.50")), available=available
    ),
    st.sampled_from(LINES),
    st.integers(1, 1100),
    st.integers(1, 30),
    st.integers(0, 2000),
)
COMMANDS = st.one_of(
    OFFERS.map(lambda offer: lambda state: rules.add(state, [offer])),
    OFFERS.map(lambda offer: lambda state: rules.change_quantity(state, offer)),
    OFFERS.map(lambda offer: lambda state: rules.notice_prices(state, [offer.line])),
    VARIANTS.map(lambda variant: lambda state: rules.remove(state, variant)),
    st.sampled_from(["A", "B"]).map(lambda code: lambda state: rules.apply_coupon(state, code)),
    st.just(rules.remove_coupon),
    st.booleans().map(
        lambda consent: lambda state: rules.leave_contact(state, email="ana@example.com", marketing_consent=consent)
    ),
    st.just(lambda state: rules.claim(state, LINES[0].product_id)),
    ORDERS.map(lambda order: lambda state: rules.convert(state, version=state.version, order_id=order)),
    ORDERS.map(lambda order: lambda state: rules.reopen(state, order_id=order)),
    st.just(lambda state: rules.recover(state, token_hash="1" * 64)),
    st.booleans().map(lambda notified: lambda state: rules.abandon(state, notified=notified)),
    st.just(rules.expire),
)


@given(st.lists(COMMANDS, max_size=30))
def test_folding_the_whole_log_gives_what_folding_step_by_step_gave(commands):
    log = following(None, [CREATED], at=NOON, actor="guest")
    state = rebuild(log)
    for step, command in enumerate(commands):
        try:
            happened = command(state)
        except DomainError:
            happened = []
        recorded = following(state, happened, at=NOON + timedelta(minutes=step), actor="guest")
        if recorded:
            state = rebuild(recorded, state)
        log += [replace(one, event=from_data(one.event.type, to_data(one.event))) for one in recorded]
        assert rebuild(log) == state
        assert state.version == len(log)
        assert all(0 < line.quantity <= rules.MAX_QUANTITY for line in state.lines)
        assert len({line.variant_id for line in state.lines}) == len(state.lines)


def test_lines_without_optional_fields_can_be_read():
    line: Line = LineFactory.create()
    data = to_data(ItemAdded(line=line))
    for optional in ("slug", "options", "image_url"):
        del data["line"][optional]
    assert from_data("item_added", data) == ItemAdded(line=line)
