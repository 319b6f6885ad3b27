from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier
from urllib.parse import parse_qs, urlsplit

import pytest
from django.core import signing
from django.db import connections

from contexts.cart.domain.access import Caller
from contexts.cart.events import CartAbandoned
from contexts.cart.interface import CartChanged, CartNotFound
from contexts.cart.models import AbandonedCart, Cart, Reminder
from contexts.cart.queries import owned_cart
from contexts.cart.usecases import abandonment, lifecycle, lines
from ecommerce.ids import new_id
from ecommerce.testing import published
from tests.contexts.cart.factories import NOON, brl, cart_with

HOUR = timedelta(hours=1)
LATER = NOON + 2 * HOUR
database = pytest.mark.django_db(databases=["cart"])


def detect(*, now=LATER, limit=100):
    return abandonment.detect_abandoned(now=now, inactive_for=HOUR, limit=limit)


def link_of(event):
    [token] = parse_qs(urlsplit(event.recovery_path).query)["token"]
    return token


@database
def test_a_cart_left_alone_is_marked_once_and_announced_once(catalog):
    cart, _ = cart_with(catalog.sell(), email="ana@example.com")
    assert detect() == 1
    assert detect() == 0
    [event] = published("cart", CartAbandoned)
    assert (event.cart_id, event.last_activity_at, event.subtotal, event.pieces) == (cart.id, NOON, brl("10.00"), 1)
    assert event.recovery_path.startswith("/carrinho/recuperar?token=")
    assert Cart.objects.get(pk=cart.id).abandoned_at == LATER
    assert AbandonedCart.objects.get().notified


@database
def test_carts_that_nobody_may_be_reminded_of_are_left_in_peace(catalog):
    variant = catalog.sell()
    cart_with(variant)
    cart_with(variant, email="ana@example.com", marketing_consent=False)
    cart_with(variant, email="", marketing_consent=True)
    cart_with(email="ana@example.com")
    cart_with(variant, email="ana@example.com", now=LATER - HOUR / 2)
    converted, _ = cart_with(variant, email="ana@example.com")
    lifecycle.convert_cart(cart_id=converted.id, version=converted.version, order_id=new_id(), now=NOON)
    assert detect() == 0


@database
def test_a_customer_is_known_without_an_address(catalog):
    cart_with(catalog.sell(), customer_id=new_id(), email="", marketing_consent=True)
    assert detect() == 1
    assert len(published("cart", CartAbandoned)) == 1


@database
def test_one_reminder_per_person_in_seven_days(catalog):
    customer = new_id()
    for contact in ({"customer_id": customer}, {"customer_id": customer}, {"email": "bia@example.com"}):
        cart_with(catalog.sell(), **{"email": "ana@example.com", **contact})
    assert detect() == 3
    assert len(published("cart", CartAbandoned)) == 2
    assert AbandonedCart.objects.filter(notified=False, customer_id=customer).count() == 1

    cart_with(catalog.sell(), customer_id=customer, email="ana@example.com", now=NOON + timedelta(days=6))
    assert detect(now=NOON + timedelta(days=6, hours=2)) == 1
    assert len(published("cart", CartAbandoned)) == 2

    cart_with(catalog.sell(), customer_id=customer, email="ana@example.com", now=NOON + timedelta(days=8))
    assert detect(now=NOON + timedelta(days=8, hours=2)) == 1
    assert len(published("cart", CartAbandoned)) == 3


@database
def test_of_two_carts_of_a_person_the_one_touched_last_is_the_one_to_remind_of(catalog):
    customer = new_id()
    cart_with(catalog.sell(), customer_id=customer, email="a@example.com", now=NOON - HOUR)
    newest, _ = cart_with(catalog.sell(), customer_id=customer, email="a@example.com", now=NOON)
    cart_with(catalog.sell(), customer_id=customer, email="a@example.com", now=NOON - 2 * HOUR)
    detect()
    assert [event.cart_id for event in published("cart", CartAbandoned)] == [newest.id]


@database
def test_coming_back_starts_the_clock_again(catalog):
    cart, caller = cart_with(catalog.sell(), email="ana@example.com")
    detect()
    lines.add_line(cart_id=cart.id, caller=caller, variant_id=catalog.sell().id, quantity=1, now=LATER)
    assert Cart.objects.get(pk=cart.id).abandoned_at is None
    assert detect(now=LATER + HOUR / 2) == 0
    assert detect(now=LATER + HOUR) == 1
    assert AbandonedCart.objects.filter(cart_id=cart.id).count() == 2


@database
def test_detection_takes_six_statements_however_many_carts(catalog, statements):
    counts = []
    for number in (1, 12):
        for one in range(number):
            cart_with(catalog.sell(), email=f"{number}-{one}@example.com")
        with statements() as executed:
            assert detect() == number
        counts.append(len(executed))
    assert counts == [6, 6]


@database
def test_a_batch_is_bounded_and_the_next_one_goes_on(catalog):
    for number in range(5):
        cart_with(catalog.sell(), email=f"{number}@example.com")
    assert [detect(limit=2) for _ in range(4)] == [2, 2, 1, 0]


@pytest.mark.django_db(databases=["cart"], transaction=True)
def test_parallel_runs_mark_each_cart_once_and_remind_a_person_once(catalog):
    customers = [new_id() for _ in range(10)]
    for customer in customers * 3:
        cart_with(catalog.sell(), customer_id=customer, email="ana@example.com")
    start = Barrier(4)

    def run(_: int) -> int:
        try:
            start.wait(timeout=30)
            return sum(detect(limit=3) for _ in range(10))
        finally:
            connections["cart"].close()

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(run, range(4))) == 30
    assert AbandonedCart.objects.count() == 30
    assert len(published("cart", CartAbandoned)) == AbandonedCart.objects.filter(notified=True).count() == 10


@database
def test_a_link_opens_the_cart_on_another_device_and_the_first_one_keeps_it(catalog):
    cart, first_device = cart_with(catalog.sell(), email="ana@example.com")
    detect()
    [event] = published("cart", CartAbandoned)
    recovered, token = abandonment.recover_cart(link_token=link_of(event), now=LATER)
    assert recovered.state.lines == cart.state.lines
    assert recovered.abandoned_at is None
    for caller in (Caller(token=token), first_device):
        assert owned_cart(cart_id=cart.id, caller=caller).id == cart.id
    assert AbandonedCart.objects.get().link_used_at == LATER


@database
def test_a_link_works_once(catalog):
    cart_with(catalog.sell(), email="ana@example.com")
    detect()
    [event] = published("cart", CartAbandoned)
    abandonment.recover_cart(link_token=link_of(event), now=LATER)
    version = Cart.objects.get().version
    with pytest.raises(abandonment.RecoveryLinkUsed):
        abandonment.recover_cart(link_token=link_of(event), now=LATER)
    assert Cart.objects.get().version == version


@pytest.mark.django_db(databases=["cart"], transaction=True)
def test_of_two_devices_that_race_for_a_link_one_gets_the_cart(catalog):
    cart_with(catalog.sell(), email="ana@example.com")
    detect()
    [event] = published("cart", CartAbandoned)
    start = Barrier(2)

    def follow(_: int) -> str:
        try:
            start.wait(timeout=30)
            return abandonment.recover_cart(link_token=link_of(event), now=LATER)[1]
        except abandonment.RecoveryLinkUsed:
            return ""
        finally:
            connections["cart"].close()

    with ThreadPoolExecutor(2) as pool:
        tokens = [token for token in pool.map(follow, range(2)) if token]
    assert len(tokens) == 1
    assert owned_cart(cart_id=event.cart_id, caller=Caller(token=tokens[0]))


@database
def test_forged_and_old_links_open_nothing(catalog, settings):
    cart, _ = cart_with(catalog.sell(), email="ana@example.com")
    detect()
    [event] = published("cart", CartAbandoned)
    link = link_of(event)
    forged = signing.dumps([str(cart.id), str(AbandonedCart.objects.get().id)], salt="another purpose")
    for bad in (link[:-1] + ("a" if link[-1] != "a" else "b"), forged, "nonsense", ""):
        with pytest.raises(abandonment.RecoveryLinkInvalid):
            abandonment.recover_cart(link_token=bad, now=LATER)
    settings.CART_RECOVERY_LINK_LIFETIME = timedelta(seconds=-1)
    with pytest.raises(abandonment.RecoveryLinkInvalid):
        abandonment.recover_cart(link_token=link, now=LATER)


@database
def test_the_link_of_a_converted_cart_opens_nothing_and_stays_unused(catalog):
    cart, _ = cart_with(catalog.sell(), email="ana@example.com")
    detect()
    [event] = published("cart", CartAbandoned)
    lifecycle.convert_cart(cart_id=cart.id, version=cart.version, order_id=new_id(), now=LATER)
    with pytest.raises(CartChanged):
        abandonment.recover_cart(link_token=link_of(event), now=LATER)
    assert AbandonedCart.objects.get().link_used_at is None


@database
def test_a_claimed_cart_opens_no_more_to_tokens(catalog):
    cart, guest = cart_with(catalog.sell())
    customer = new_id()
    lifecycle.claim_cart(cart_id=cart.id, caller=Caller(customer_id=customer, token=guest.token), now=NOON)
    with pytest.raises(CartNotFound):
        owned_cart(cart_id=cart.id, caller=guest)
    assert owned_cart(cart_id=cart.id, caller=Caller(customer_id=customer))


@database
def test_idle_and_empty_carts_expire_and_converted_ones_never(catalog):
    def expire(days):
        return abandonment.expire_idle(
            now=NOON + timedelta(days=days), idle_for=timedelta(days=30), empty_for=timedelta(days=2)
        )

    empty, _ = cart_with()
    filled, _ = cart_with(catalog.sell())
    paid, _ = cart_with(catalog.sell())
    lifecycle.convert_cart(cart_id=paid.id, version=paid.version, order_id=new_id(), now=NOON)
    assert expire(1) == 0
    assert expire(3) == 1
    assert Cart.objects.get(pk=empty.id).status == "expired"
    assert expire(31) == 1
    assert Cart.objects.get(pk=filled.id).status == "expired"
    assert expire(1000) == 0
    assert Cart.objects.get(pk=paid.id).status == "converted"


@database
def test_old_entries_of_the_frequency_cap_are_forgotten(catalog):
    cart_with(catalog.sell(), email="ana@example.com")
    detect()
    for days, left in ((6, 1), (8, 0)):
        abandonment.expire_idle(
            now=LATER + timedelta(days=days), idle_for=timedelta(days=90), empty_for=timedelta(days=90)
        )
        assert Reminder.objects.count() == left
