import contextlib
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contexts.cart.domain.access import Caller
from contexts.cart.domain.events import rebuild
from contexts.cart.models import Cart, columns_of
from contexts.cart.queries import logs_of
from contexts.cart.usecases import abandonment, erasure, lifecycle, lines, merging, rebuilding, reviews
from ecommerce.errors import DomainError
from ecommerce.ids import new_id
from tests.contexts.cart.conftest import COUPON
from tests.contexts.cart.factories import NOON, brl, cart_with

pytestmark = pytest.mark.django_db(databases=["cart"])

EMAIL = "ana@example.com"
COMMANDS = {
    "add": lambda world, n: lines.add_line(**world.mine, variant_id=world.variant(n), quantity=1 + n),
    "set": lambda world, n: lines.change_quantity(
        **world.mine, variant_id=world.variant(n), quantity=1 + n, precondition=lambda _: None
    ),
    "remove": lambda world, n: lines.remove_line(
        **world.mine, variant_id=world.variant(n), precondition=lambda _: None
    ),
    "reprice": lambda world, n: world.catalog.sell(id=world.variant(n), price=brl(f"{10 + n}.00")),
    "notice": lambda world, n: lines.notice_prices(**world.mine, precondition=lambda _: None),
    "coupon": lambda world, n: reviews.apply_coupon(**world.mine, code=COUPON),
    "no coupon": lambda world, n: reviews.remove_coupon(**world.mine),
    "contact": lambda world, n: lifecycle.leave_contact(**world.mine, email=EMAIL, marketing_consent=n % 2 == 0),
    "merge": lambda world, n: world.merge(n),
    "convert": lambda world, n: lifecycle.convert_cart(
        cart_id=world.cart_id, version=Cart.objects.get(pk=world.cart_id).version, order_id=world.order_id,
        now=world.now,
    ),
    "reopen": lambda world, n: lifecycle.reopen_cart(cart_id=world.cart_id, order_id=world.order_id, now=world.now),
    "abandon": lambda world, n: abandonment.detect_abandoned(now=world.later(), inactive_for=timedelta(hours=1)),
    "claim": lambda world, n: world.claim(),
    "erase": lambda world, n: erasure.erase_contact(customer_id=world.customer_id, email=EMAIL, now=NOON),
}  # fmt: skip


class World:
    """One cart, and the commands that may hit it."""

    def __init__(self, catalog):
        self.catalog = catalog
        self.now = NOON
        self.variants = [catalog.sell(available=20).id for _ in range(3)]
        cart, self.caller = cart_with()
        self.cart_id, self.order_id, self.customer_id = cart.id, new_id(), new_id()

    @property
    def mine(self):
        return {"cart_id": self.cart_id, "caller": self.caller, "now": self.now}

    def variant(self, n):
        return self.variants[n % len(self.variants)]

    def later(self):
        self.now += timedelta(hours=2)
        return self.now

    def merge(self, n):
        other, guest = cart_with(self.catalog.variants[self.variant(n)], email=EMAIL)
        merging.merge_carts(**self.mine, source_id=other.id, source_token=guest.token)

    def claim(self):
        self.caller = Caller(customer_id=self.customer_id, token=self.caller.token)
        lifecycle.claim_cart(**self.mine)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(st.tuples(st.sampled_from(sorted(COMMANDS)), st.integers(0, 8)), max_size=15))
def test_at_any_moment_the_row_is_the_fold_of_the_events(steps, catalog):
    world = World(catalog)
    for command, number in steps:
        world.now += timedelta(seconds=1)
        with contextlib.suppress(DomainError):
            COMMANDS[command](world, number)
        row = Cart.objects.get(pk=world.cart_id)
        folded = rebuild(logs_of([row.id])[row.id])
        assert row.state == folded
        assert {name: getattr(row, name) for name in columns_of(folded)} == columns_of(folded)


def test_a_row_that_was_tampered_with_is_found_and_put_right(catalog):
    cart, _ = cart_with(catalog.sell())
    Cart.objects.filter(pk=cart.id).update(pieces=7, coupon_code="A")
    [difference] = rebuilding.compare_projections(cart_ids=[cart.id], repair=False)
    assert (difference.cart_id, sorted(difference.columns)) == (cart.id, ["coupon_code", "pieces"])
    assert Cart.objects.get(pk=cart.id).pieces == 7
    rebuilding.compare_projections(cart_ids=[cart.id], repair=True)
    assert Cart.objects.get(pk=cart.id).state == cart.state
    assert rebuilding.compare_projections(cart_ids=[cart.id], repair=False) == []


def test_a_row_that_was_lost_comes_back(catalog):
    cart, _ = cart_with(catalog.sell(), email=EMAIL)
    Cart.objects.filter(pk=cart.id).delete()
    [difference] = rebuilding.compare_projections(cart_ids=[cart.id], repair=True)
    assert difference.columns == []
    assert Cart.objects.get(pk=cart.id).state == cart.state
