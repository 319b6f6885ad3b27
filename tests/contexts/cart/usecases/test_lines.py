from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from django.db import connections

from contexts.cart.domain.access import Caller
from contexts.cart.domain.events import rebuild
from contexts.cart.interface import CartNotFound
from contexts.cart.models import Cart
from contexts.cart.queries import logs_of
from contexts.cart.usecases import lifecycle, lines
from contexts.catalog.interface import OutOfStock, VariantUnavailable
from ecommerce.ids import new_id
from tests.contexts.cart.factories import NOON, brl, cart_with

THREADS = 16


@pytest.mark.django_db(databases=["cart"], transaction=True)
def test_16_parallel_adds_all_count(catalog):
    shared = catalog.sell(available=1000)
    own = [catalog.sell() for _ in range(THREADS)]
    cart, caller = cart_with()
    start = Barrier(THREADS)

    def add(number: int) -> None:
        try:
            start.wait(timeout=30)
            for variant in (shared, own[number], shared):
                lines.add_line(cart_id=cart.id, caller=caller, variant_id=variant.id, quantity=1, now=NOON)
        finally:
            connections["cart"].close()

    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(add, range(THREADS)))
    state = Cart.objects.get(pk=cart.id).state
    assert state.quantity_of(shared.id) == 2 * THREADS
    assert [state.quantity_of(variant.id) for variant in own] == [1] * THREADS
    assert state.version == 1 + 3 * THREADS
    assert rebuild(logs_of([cart.id])[cart.id]) == state


@pytest.mark.django_db(databases=["cart"])
def test_adding_takes_one_call_and_two_statements_whatever_is_in_the_cart(catalog, statements):
    full, caller = cart_with(*(catalog.sell() for _ in range(60)))
    variant = catalog.sell()
    catalog.calls = 0
    with statements() as executed:
        lines.add_line(cart_id=full.id, caller=caller, variant_id=variant.id, quantity=1, now=NOON)
    assert catalog.calls == 1
    assert [sql.split()[0] for sql in executed] == ["SELECT", "WITH"]
    assert "FOR UPDATE" not in executed[0]


@pytest.mark.django_db(databases=["cart"])
@pytest.mark.parametrize("count", [0, 1, 40])
def test_opening_a_cart_takes_one_statement_however_many_lines(count, catalog, statements):
    variants = [catalog.sell() for _ in range(count)]
    with statements() as executed:
        lifecycle.create_cart(caller=Caller(), quantities={variant.id: 1 for variant in variants}, now=NOON)
    assert len(executed) == 1
    assert catalog.calls == min(count, 1)


@pytest.mark.django_db(databases=["cart"])
def test_a_refused_add_leaves_no_trace(catalog):
    scarce, gone = catalog.sell(available=1), catalog.sell(on_sale=False)
    cart, caller = cart_with(scarce)
    with pytest.raises(OutOfStock):
        lines.add_line(cart_id=cart.id, caller=caller, variant_id=scarce.id, quantity=1, now=NOON)
    for variant_id in (gone.id, new_id()):
        with pytest.raises(VariantUnavailable) as refused:
            lines.add_line(cart_id=cart.id, caller=caller, variant_id=variant_id, quantity=1, now=NOON)
        assert refused.value.params["variant_ids"] == [str(variant_id)]
    assert Cart.objects.get(pk=cart.id).state == cart.state
    assert len(logs_of([cart.id])[cart.id]) == cart.version


@pytest.mark.django_db(databases=["cart"])
def test_no_cart_is_opened_when_a_line_cannot_be_had(catalog):
    with pytest.raises(OutOfStock):
        lifecycle.create_cart(caller=Caller(), quantities={catalog.sell(available=1).id: 2}, now=NOON)
    assert not Cart.objects.exists()


@pytest.mark.django_db(databases=["cart"])
def test_adding_again_takes_over_the_price_of_today(catalog):
    variant = catalog.sell(price=brl("10.00"))
    cart, caller = cart_with(variant)
    catalog.sell(id=variant.id, price=brl("12.00"))
    cart = lines.add_line(cart_id=cart.id, caller=caller, variant_id=variant.id, quantity=1, now=NOON)
    assert cart.subtotal == brl("24.00")


@pytest.mark.django_db(databases=["cart"])
def test_nobody_adds_to_somebody_elses_cart(catalog):
    variant = catalog.sell()
    cart, _ = cart_with(customer_id=new_id())
    for caller in (Caller(), Caller(customer_id=new_id()), Caller(token="guessed")):
        with pytest.raises(CartNotFound):
            lines.add_line(cart_id=cart.id, caller=caller, variant_id=variant.id, quantity=1, now=NOON)
