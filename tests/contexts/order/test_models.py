from datetime import timedelta
from decimal import Decimal
from itertools import permutations

import pytest
from django.db import IntegrityError, connections, transaction

from contexts.order.domain import IllegalTransition
from contexts.order.domain.money_flow import Balance
from contexts.order.models import (
    AttemptStatus,
    LedgerEntry,
    News,
    Order,
    Shipment,
    TimelineEntry,
    TrackingEvent,
    WebhookEvent,
    balances_of,
)
from ecommerce.ids import new_id
from ecommerce.money import Money
from ecommerce.unit_of_work import unit_of_work
from tests.contexts.order.factories import NOON, OrderFactory, OrderLineFactory, PaymentAttemptFactory

pytestmark = pytest.mark.django_db(databases=["order"])


def brl(amount: str) -> Money:
    return Money(Decimal(amount))


def told(attempt, status, captured="0.00", refunded="0.00", authorized="0.00", **facts):
    """Let the gateway say how an attempt stands."""
    facts = {"gateway_id": "ch_1", "decline_code": "", "client_data": {}, **facts}
    balance = Balance(authorized=brl(authorized), captured=brl(captured), refunded=brl(refunded))
    with unit_of_work("order"):
        return attempt.learn(status=status, balance=balance, now=NOON, **facts)


def ledger(attempt):
    return sorted(LedgerEntry.objects.filter(attempt=attempt).values_list("kind", "amount"))


@pytest.mark.parametrize("table", ["payment_ledger", "order_timeline"])
@pytest.mark.parametrize("change", ["UPDATE {} SET at = now()", "DELETE FROM {}"])
def test_the_database_refuses_to_change_or_delete_what_has_happened(table, change):
    order = OrderFactory(status="confirmed")
    told(PaymentAttemptFactory(order=order), "captured", "60.00")
    order.cancel(reason="", actor="", now=NOON)
    order.save_change()
    with pytest.raises(IntegrityError, match=f"{table} is append-only"), transaction.atomic(using="order"):
        connections["order"].cursor().execute(change.format(table))


# --- orders ----------------------------------------------------------------------------------------------------------
def test_a_change_of_state_is_written_with_who_when_and_why():
    order = OrderFactory(status="confirmed")
    order.cancel(reason="x" * 300, actor="user:ana", now=NOON)
    order.save_change()
    order.refresh_from_db()
    entry = TimelineEntry.objects.get(order=order)
    assert (order.status, order.version, order.cancelled_at, order.cancel_reason) == ("cancelled", 2, NOON, "x" * 200)
    assert (entry.version, entry.actor, entry.from_status, entry.to_status, entry.reason, entry.at) == (
        2, "user:ana", "confirmed", "cancelled", "x" * 200, NOON,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("state", "change"),
    [
        ("shipped", lambda order: order.cancel(reason="", actor="", now=NOON)),
        ("cancelled", lambda order: order.confirm(now=NOON)),
        ("pending", lambda order: order.ship(everything=True, actor="", now=NOON)),
        ("confirmed", lambda order: order.deliver(at=NOON, actor="", now=NOON)),
        ("confirmed", lambda order: order.fail(failure={"code": "x"}, now=NOON)),
        ("confirmed", lambda order: order.await_payment(now=NOON)),
    ],
)
def test_what_the_state_does_not_allow_changes_nothing(state, change):
    order = OrderFactory.build(status=state)
    with pytest.raises(IllegalTransition):
        change(order)
    assert (order.status, order.version) == (state, 1)


def test_one_cart_is_one_order_unless_the_earlier_ones_are_gone():
    cart_id = new_id()
    OrderFactory(cart_id=cart_id, status="failed")
    OrderFactory(cart_id=cart_id, status="cancelled")
    OrderFactory(cart_id=cart_id, status="pending")
    with pytest.raises(IntegrityError, match="orders_one_per_cart"):
        OrderFactory(cart_id=cart_id, status="pending")


@pytest.mark.parametrize(
    ("make", "constraint"),
    [
        (lambda: OrderFactory(total=Decimal("59.99")), "orders_adds_up"),
        (lambda: OrderLineFactory(total=Decimal("49.99")), "order_lines_adds_up"),
        (lambda: OrderLineFactory(quantity=1, shipped_quantity=2), "order_lines_shipped"),
        (lambda: PaymentAttemptFactory(amount=Decimal(0)), "payment_attempts_amount"),
    ],
)
def test_the_database_refuses_what_does_not_add_up(make, constraint):
    with pytest.raises(IntegrityError, match=constraint):
        make()


# --- payments --------------------------------------------------------------------------------------------------------
def test_what_the_gateway_says_is_written_down_once():
    attempt = PaymentAttemptFactory(order__status="pending")
    for _ in range(3):
        told(attempt, "captured", "60.00", client_data={"last4": "4242"})
    attempt.refresh_from_db()
    assert (attempt.status, attempt.gateway_id, attempt.client_data) == ("captured", "ch_1", {"last4": "4242"})
    assert ledger(attempt) == [("capture", Decimal("60.00"))]


def test_partial_refunds_add_up_in_whatever_order_they_are_told():
    for order in permutations(["20.00", "35.50", "60.00"]):
        attempt = PaymentAttemptFactory(order__status="confirmed")
        for refunded in order:
            told(attempt, "refunded" if refunded == "60.00" else "captured", "60.00", refunded)
        refunds = sum(amount for kind, amount in ledger(attempt) if kind == "refund")
        assert (refunds, attempt.status) == (Decimal("60.00"), "refunded")


@pytest.mark.parametrize("late", ["pending", "requires_action", "declined", "expired", "voided", "authorized"])
def test_late_news_never_takes_back_what_was_paid(late):
    attempt = PaymentAttemptFactory(order__status="pending")
    told(attempt, "captured", "60.00")
    told(attempt, late, decline_code="late")
    attempt.refresh_from_db()
    assert (attempt.status, attempt.decline_code) == ("captured", "")


def test_who_tells_late_news_learns_how_things_stand():
    attempt = PaymentAttemptFactory(order__status="pending")
    slow = type(attempt).objects.get(id=attempt.id)
    told(attempt, "captured", "60.00")
    told(slow, "pending")
    assert slow.status == "captured"


def test_news_of_one_attempt_leave_the_others_alone():
    one = PaymentAttemptFactory(order__status="pending")
    other = PaymentAttemptFactory(order=one.order, position=1)
    told(one, "expired")
    other.refresh_from_db()
    assert (one.status, other.status) == ("expired", "created")


@pytest.mark.parametrize(
    ("captured", "refunded", "booked", "keeps"),
    [
        ("60.00", "0.00", {"capture"}, True),
        ("60.00", "60.00", {"capture", "refund"}, False),
        ("0.00", "0.00", set(), False),
    ],
)
def test_money_that_is_new_is_told_with_the_state_of_its_order(captured, refunded, booked, keeps):
    attempt = PaymentAttemptFactory(order__status="cancelled")
    assert told(attempt, "captured", captured, refunded) == News("cancelled", frozenset(booked), keeps_money=keeps)
    assert told(attempt, "captured", captured, refunded) == News("cancelled", frozenset(), keeps_money=False)
    assert told(attempt, "pending") is None


@pytest.mark.parametrize(
    ("then", "entries", "left"),
    [
        (("captured", "60.00"), [("authorize", "60.00"), ("capture", "60.00")], ("0.00", "60.00")),
        (
            ("captured", "45.00"),
            [("authorize", "60.00"), ("capture", "45.00"), ("release", "15.00")],
            ("0.00", "45.00"),
        ),
        (("voided",), [("authorize", "60.00"), ("release", "60.00")], ("0.00", "0.00")),
        (("expired",), [("authorize", "60.00"), ("release", "60.00")], ("0.00", "0.00")),
        (("pending",), [("authorize", "60.00")], ("60.00", "0.00")),
    ],
)
def test_what_was_authorized_is_held_captured_or_released(then, entries, left):
    attempt = PaymentAttemptFactory(order__status="confirmed")
    for news in (
        {"status": "authorized", "authorized": "60.00"},
        dict(zip(("status", "captured"), then, strict=False)),
    ):
        for _ in range(2):
            told(type(attempt).objects.get(id=attempt.id), **news)
    assert ledger(attempt) == [(kind, Decimal(amount)) for kind, amount in entries]
    [balance] = balances_of(attempt.order_id).values()
    assert (balance.authorized, balance.captured) == (brl(left[0]), brl(left[1]))


def test_what_is_captured_after_it_was_let_go_is_not_held_as_well():
    attempt = PaymentAttemptFactory(order__status="cancelled")
    told(attempt, "authorized", authorized="60.00")
    told(attempt, "voided")
    told(attempt, "captured", "60.00")
    [balance] = balances_of(attempt.order_id).values()
    assert (balance.authorized, balance.captured) == (brl("0.00"), brl("60.00"))


def test_losing_sight_forgets_nothing():
    attempt = PaymentAttemptFactory(order__status="pending")
    attempt.lose_sight(now=NOON)
    assert attempt.status == "unknown"
    told(attempt, "captured", "60.00")
    attempt.lose_sight(now=NOON)
    attempt.let_go(now=NOON)
    attempt.refresh_from_db()
    assert attempt.status == "captured"


def test_progress_has_an_order():
    assert AttemptStatus.values.index("captured") > AttemptStatus.values.index("expired")


# --- webhooks --------------------------------------------------------------------------------------------------------
def test_webhooks_are_claimed_once_in_time_and_not_forever():
    rows = [
        WebhookEvent.objects.create(
            gateway="sandbox", event_id=f"evt_{number}", event_type="x", gateway_id="ch", body="{}", received_at=NOON,
            due_at=NOON + timedelta(seconds=number), attempts=attempts,
        )
        for number, attempts in enumerate([0, 4, 5])
    ]  # fmt: skip
    lease = timedelta(minutes=1)
    assert WebhookEvent.claim(now=NOON, lease=lease, most=5, limit=10) == [rows[0].id]
    assert WebhookEvent.claim(now=NOON + timedelta(seconds=30), lease=lease, most=5, limit=10) == [rows[1].id]
    assert WebhookEvent.claim(now=NOON + timedelta(hours=1), lease=lease, most=5, limit=10) == [rows[0].id]


# --- parcels ---------------------------------------------------------------------------------------------------------
def tracked(*statuses: str) -> list[TrackingEvent]:
    return [TrackingEvent(status=status, at=NOON + timedelta(hours=hour)) for hour, status in enumerate(statuses)]


@pytest.mark.parametrize(
    ("statuses", "status", "delivered"),
    [
        ([], "shipped", None),
        (["in_transit"], "in_transit", None),
        (["in_transit", "out_for_delivery", "delivered"], "delivered", 2),
        (["delivered", "in_transit"], "delivered", 0),
        (["delivered", "delivered"], "delivered", 0),
        (["delivered", "returned"], "returned", 0),
    ],
)
def test_a_parcel_stands_where_its_events_say_in_whatever_order_they_came(statuses, status, delivered):
    for events in permutations(tracked(*statuses)):
        parcel = Shipment(status="shipped")
        news = parcel.follow(events)
        assert parcel.status == status
        assert parcel.delivered_at == (None if delivered is None else NOON + timedelta(hours=delivered))
        assert news == bool(statuses)
        assert not parcel.follow(events)


def test_an_order_says_what_it_is():
    order = OrderFactory()
    assert (str(order), order.due, order.is_paid) == (order.number, brl("60.00"), True)
    assert not Order(status="awaiting_payment").is_paid
