import pytest

from contexts.cart.interface import CartChanged, CartContact, CartInterface, CartLine, CartNotFound
from contexts.cart.models import CartEvent
from contexts.cart.usecases import abandonment, lines
from ecommerce.calls import connect
from ecommerce.ids import new_id
from tests.contexts.cart.factories import NOON, brl, cart_with
from tests.contexts.cart.usecases.test_abandonment import HOUR

pytestmark = pytest.mark.django_db(databases=["cart"])
carts = connect(CartInterface)


def types_of(cart):
    return list(CartEvent.objects.filter(cart_id=cart.id).order_by("version").values_list("type", flat=True))


def test_a_cart_is_told_to_its_owner_by_one_statement(catalog, statements):
    variant = catalog.sell(price=brl("10.00"))
    cart, caller = cart_with(variant, customer_id=new_id(), email="ana@example.com")
    with statements() as executed:
        told = carts.get_cart(cart_id=cart.id, customer_id=caller.customer_id)
    assert len(executed) == 1
    assert told.lines == [CartLine(variant_id=variant.id, quantity=1, unit_price=brl("10.00"))]
    assert (told.version, told.status, told.email, told.customer_id) == (
        3,
        "open",
        "ana@example.com",
        caller.customer_id,
    )


def test_a_guest_shows_the_token(catalog):
    cart, caller = cart_with(catalog.sell())
    assert carts.get_cart(cart_id=cart.id, token=caller.token).id == cart.id
    for stranger in ({"token": "guessed"}, {"customer_id": new_id()}, {}):
        with pytest.raises(CartNotFound):
            carts.get_cart(cart_id=cart.id, **stranger)
    with pytest.raises(CartNotFound):
        carts.get_cart(cart_id=new_id(), token=caller.token)


def test_converting_is_idempotent_per_order(catalog, statements):
    cart, caller = cart_with(catalog.sell())
    order = new_id()
    with statements() as executed:
        carts.convert(cart_id=cart.id, version=cart.version, order_id=order)
    assert len(executed) == 2
    carts.convert(cart_id=cart.id, version=cart.version, order_id=order)
    assert types_of(cart).count("converted") == 1
    assert carts.get_cart(cart_id=cart.id, token=caller.token).status == "converted"
    with pytest.raises(CartChanged):
        carts.convert(cart_id=cart.id, version=cart.version, order_id=new_id())


def test_a_cart_whose_contents_moved_is_not_converted(catalog):
    cart, caller = cart_with(catalog.sell())
    lines.add_line(cart_id=cart.id, caller=caller, variant_id=catalog.sell().id, quantity=1, now=NOON)
    with pytest.raises(CartChanged) as refused:
        carts.convert(cart_id=cart.id, version=cart.version, order_id=new_id())
    assert (refused.value.params["version"], refused.value.params["status"]) == (3, "open")


def test_a_reminder_between_checkout_and_payment_does_not_undo_the_sale(catalog):
    cart, caller = cart_with(catalog.sell(), email="ana@example.com")
    seen = carts.get_cart(cart_id=cart.id, token=caller.token)
    abandonment.detect_abandoned(now=NOON + 2 * HOUR, inactive_for=HOUR)
    carts.convert(cart_id=cart.id, version=seen.version, order_id=new_id())
    assert types_of(cart)[-2:] == ["abandoned", "converted"]


def test_reopening_undoes_the_conversion_of_that_order_alone(catalog):
    cart, caller = cart_with(catalog.sell())
    order = new_id()
    carts.reopen(cart_id=cart.id, order_id=order)
    carts.convert(cart_id=cart.id, version=cart.version, order_id=order)
    carts.reopen(cart_id=cart.id, order_id=new_id())
    assert carts.get_cart(cart_id=cart.id, token=caller.token).status == "converted"
    for _ in range(2):
        carts.reopen(cart_id=cart.id, order_id=order)
    assert types_of(cart)[-2:] == ["converted", "reopened"]
    with pytest.raises(CartChanged):
        carts.convert(cart_id=cart.id, version=cart.version, order_id=order)
    again = carts.get_cart(cart_id=cart.id, token=caller.token)
    carts.convert(cart_id=cart.id, version=again.version, order_id=new_id())


def test_reopening_an_unknown_cart_is_nothing_and_converting_it_is_refused():
    carts.reopen(cart_id=new_id(), order_id=new_id())
    with pytest.raises(CartNotFound):
        carts.convert(cart_id=new_id(), version=1, order_id=new_id())


def test_the_contacts_of_any_carts_are_told_by_one_statement(catalog, statements):
    cart, _ = cart_with(catalog.sell(), email="ana@example.com")
    other, _ = cart_with(catalog.sell())
    with statements("cart") as executed:
        told = {contact.cart_id: contact for contact in carts.get_contacts(cart_ids=[cart.id, other.id, new_id()])}
    assert len(executed) == 1
    assert told.keys() == {cart.id, other.id}
    assert told[cart.id] == CartContact(
        cart_id=cart.id, customer_id=None, email="ana@example.com", consent=True, status="open"
    )
