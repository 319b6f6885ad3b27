import pytest

from contexts.cart.models import Cart, CartEvent, Reminder
from contexts.cart.usecases import changes, lifecycle, lines
from contexts.cart.usecases.erasure import erase_contact
from ecommerce.ids import new_id
from tests.contexts.cart.factories import NOON, cart_with

pytestmark = pytest.mark.django_db(databases=["cart"])


def test_an_address_vanishes_from_rows_and_events_and_others_stay(catalog):
    ana = new_id()
    cart_with(catalog.sell(), customer_id=ana, email="ana@work.example")
    cart_with(catalog.sell(), email="ana@example.com")
    cart_with(catalog.sell(), email="bia@example.com")
    cart_with(catalog.sell())
    assert erase_contact(customer_id=ana, email="Ana@example.com", now=NOON) == 2
    assert list(Cart.objects.exclude(email="").values_list("email", flat=True)) == ["bia@example.com"]
    assert not CartEvent.objects.filter(data__email__startswith="ana").exists()
    assert CartEvent.objects.filter(data__email="bia@example.com").exists()


def test_erasing_a_customer_without_an_address_touches_no_guest(catalog):
    cart_with(catalog.sell(), email="bia@example.com")
    assert erase_contact(customer_id=new_id(), email="", now=NOON) == 0
    assert Cart.objects.filter(email="bia@example.com").exists()


def test_erasing_twice_is_erasing_once(catalog):
    ana = new_id()
    cart_with(catalog.sell(), customer_id=ana, email="ana@example.com")
    erase_contact(customer_id=ana, email="ana@example.com", now=NOON)
    events = list(CartEvent.objects.values_list("data", flat=True))
    erase_contact(customer_id=ana, email="ana@example.com", now=NOON)
    assert list(CartEvent.objects.values_list("data", flat=True)) == events
    assert not Reminder.objects.exists()


@pytest.mark.django_db(databases=["cart"], transaction=True)
def test_who_read_the_cart_before_cannot_write_the_address_back(catalog, monkeypatch):
    cart, caller = cart_with(catalog.sell(), email="ana@example.com")
    variant, read = catalog.sell(), changes.find_cart

    def read_and_be_overtaken(*, lock: bool, **arguments):
        found = read(lock=lock, **arguments)
        if not lock:
            erase_contact(customer_id=new_id(), email="ana@example.com", now=NOON)
        return found

    monkeypatch.setattr(changes, "find_cart", read_and_be_overtaken)
    lines.add_line(cart_id=cart.id, caller=caller, variant_id=variant.id, quantity=1, now=NOON)
    stored = Cart.objects.get(pk=cart.id)
    assert (stored.email, stored.marketing_consent, len(stored.lines)) == ("", False, 2)
    assert not CartEvent.objects.filter(data__email__startswith="ana").exists()


def test_an_address_vanishes_that_another_one_has_replaced(catalog):
    cart, caller = cart_with(catalog.sell(), email="ana@example.com")
    lifecycle.leave_contact(cart_id=cart.id, caller=caller, email="bia@example.com", marketing_consent=False, now=NOON)
    erase_contact(customer_id=new_id(), email="ana@example.com", now=NOON)
    assert not CartEvent.objects.filter(data__email="ana@example.com").exists()
    assert CartEvent.objects.filter(data__email="bia@example.com").exists()
    assert Cart.objects.get(pk=cart.id).email == "bia@example.com"
