"""Rows by SQL that is composed once: the same rows as by the ORM, and one statement each."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from django.db import DatabaseError, IntegrityError

from contexts.order.models import Order, PaymentAttempt, TimelineEntry
from ecommerce.db import rows
from ecommerce.ids import new_id

pytestmark = pytest.mark.django_db(databases=["order"])

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def order(**values) -> Order:
    given = {
        "number": str(new_id())[-12:], "cart_id": new_id(), "cart_version": 1, "email": "ana@example.com",
        "items_total": Decimal("10.00"), "shipping_total": Decimal("2.50"), "discount_total": Decimal("0.00"),
        "total": Decimal("12.50"), "address_snapshot": {"city": "São Paulo", "lines": [1, None]},
        "shipping_snapshot": {}, "coupon_snapshot": None, "placed_at": NOON,
    }  # fmt: skip
    return Order(**given | values)


def entry(of: Order, version: int) -> TimelineEntry:
    return TimelineEntry(order=of, version=version, at=NOON, actor="guest", to_status="pending")


def attempt(of: Order, position: int = 0) -> PaymentAttempt:
    return PaymentAttempt(
        order=of, position=position, gateway="sandbox", method="card", amount=Decimal("12.50"), expires_at=NOON,
        created_at=NOON, updated_at=NOON,
    )  # fmt: skip


def values_of(row) -> dict:
    return {field.attname: getattr(row, field.attname) for field in row._meta.concrete_fields}


def test_rows_of_several_tables_are_inserted_by_one_statement(statements):
    one, other = order(), order()
    with statements() as executed:
        rows.insert([one, other, entry(one, 1), entry(other, 1), entry(one, 2)], using="order")
    assert len(executed) == 1
    assert (Order.objects.count(), TimelineEntry.objects.count()) == (2, 3)
    assert not one._state.adding


def test_what_is_inserted_is_what_the_orm_reads():
    new = order()
    rows.insert([new], using="order")
    assert values_of(Order.objects.get()) == values_of(new)


def test_fetched_rows_are_those_of_the_orm(statements):
    one = order(coupon_snapshot={"code": "BEMVINDO10"})
    rows.insert([one, attempt(one, 1), attempt(one, 0)], using="order")
    with statements() as executed:
        found = rows.fetch(
            PaymentAttempt, "WHERE order_id = %s ORDER BY position", [one.id], using="order", related="order"
        )
        assert found[0].order.coupon_snapshot == {"code": "BEMVINDO10"}
    assert len(executed) == 1
    expected = PaymentAttempt.objects.select_related("order").order_by("position")
    assert [values_of(row) for row in found] == [values_of(row) for row in expected]
    assert values_of(found[0].order) == values_of(expected[0].order)
    assert not found[0]._state.adding


def test_nothing_found_is_an_empty_list():
    assert rows.fetch(Order, "WHERE id = %s", [new_id()], using="order") == []


def test_a_change_and_what_belongs_to_it_are_one_statement(statements):
    one, other = order(), order()
    rows.insert([one, other], using="order")
    one.status, one.version, one.email = "confirmed", 2, "not@written.example"
    with statements() as executed:
        rows.update(one, ["status", "version"], using="order", insert=[entry(one, 2)])
    assert len(executed) == 1
    stored = Order.objects.get(id=one.id)
    assert (stored.status, stored.version, stored.email) == ("confirmed", 2, "ana@example.com")
    assert Order.objects.get(id=other.id).version == other.version
    assert TimelineEntry.objects.get().version == 2


def test_a_row_that_has_gone_is_an_error():
    with pytest.raises(DatabaseError, match="has gone"):
        rows.update(order(), ["status"], using="order")


def test_a_broken_constraint_is_django_s_own_error():
    with pytest.raises(IntegrityError, match="orders_adds_up"):
        rows.insert([order(total=Decimal("1.00"))], using="order")
