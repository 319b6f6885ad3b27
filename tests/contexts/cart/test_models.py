import pytest
from django.db import IntegrityError, connections, transaction

from contexts.cart.domain.events import rebuild
from contexts.cart.models import Cart, CartEvent, columns_of
from contexts.cart.queries import logs_of
from ecommerce.ids import new_id
from tests.contexts.cart.factories import cart_with

pytestmark = pytest.mark.django_db(databases=["cart"])

REFUSED = [
    "UPDATE cart_events SET data = '{}'",
    "UPDATE cart_events SET type = 'expired'",
    "UPDATE cart_events SET version = version + 1",
    "UPDATE cart_events SET data = jsonb_set(data, '{email}', '\"bia@example.com\"')",
    "UPDATE cart_events SET data = data - 'email' WHERE type = 'contact_left'",
    "UPDATE cart_events SET data = jsonb_set(data, '{email}', '\"\"'), actor = 'nobody'",
    "DELETE FROM cart_events",
]


def execute(sql: str) -> int:
    with connections["cart"].cursor() as cursor:
        cursor.execute(sql)
        return cursor.rowcount


@pytest.mark.parametrize("sql", REFUSED)
def test_the_database_refuses_to_change_or_delete_an_event(sql, catalog):
    cart_with(catalog.sell(), email="ana@example.com")
    with pytest.raises(IntegrityError, match="append-only"), transaction.atomic(using="cart"):
        execute(sql)


def test_the_one_thing_that_may_be_blanked_is_an_email(catalog):
    cart_with(catalog.sell(), email="ana@example.com")
    assert execute("UPDATE cart_events SET data = jsonb_set(data, '{email}', '\"\"') WHERE type = 'contact_left'") == 1
    assert CartEvent.objects.get(type="contact_left").data["email"] == ""


def test_a_version_of_a_cart_is_recorded_once(catalog):
    cart, _ = cart_with(catalog.sell())
    event = CartEvent.objects.get(cart_id=cart.id, version=2)
    event.id = new_id()
    with pytest.raises(IntegrityError, match="cart_events_version_once"), transaction.atomic(using="cart"):
        event.save(force_insert=True)


def test_two_carts_cannot_become_one_order(catalog):
    order = new_id()
    first, _ = cart_with()
    second, _ = cart_with()
    Cart.objects.filter(pk=first.pk).update(status="converted", converted_order_id=order)
    with pytest.raises(IntegrityError, match="carts_order_once"), transaction.atomic(using="cart"):
        Cart.objects.filter(pk=second.pk).update(status="converted", converted_order_id=order)


def test_a_converted_cart_has_an_order():
    cart, _ = cart_with()
    with pytest.raises(IntegrityError, match="carts_converted_has_order"), transaction.atomic(using="cart"):
        Cart.objects.filter(pk=cart.pk).update(status="converted")


def test_the_row_read_back_is_the_fold_of_the_stored_events(catalog):
    cart, _ = cart_with(catalog.sell(), catalog.sell(), customer_id=new_id(), email="ana@example.com")
    row = Cart.objects.get(pk=cart.pk)
    assert row.state == rebuild(logs_of([cart.id])[cart.id]) == cart.state
    assert {name: getattr(row, name) for name in columns_of(row.state)} == columns_of(row.state)
