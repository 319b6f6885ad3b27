from datetime import timedelta

import pytest

from contexts.cart import tasks
from contexts.cart.events import CartAbandoned
from contexts.cart.models import Cart
from ecommerce.clock import now
from ecommerce.testing import published
from tests.contexts.cart.factories import cart_with

pytestmark = pytest.mark.django_db(databases=["cart"])


def test_the_tasks_follow_the_settings(catalog, settings):
    settings.CART_ABANDONED_AFTER = timedelta(minutes=30)
    settings.CART_EXPIRES_AFTER = timedelta(days=10)
    settings.CART_EMPTY_EXPIRES_AFTER = timedelta(days=1)
    cart_with(catalog.sell(), email="ana@example.com", now=now() - timedelta(minutes=31))
    cart_with(catalog.sell(), email="bia@example.com", now=now() - timedelta(minutes=29))
    old, _ = cart_with(catalog.sell(), now=now() - timedelta(days=11))
    empty, _ = cart_with(now=now() - timedelta(days=2))
    tasks.detect_abandoned()
    tasks.expire_idle()
    assert len(published("cart", CartAbandoned)) == 1
    assert set(Cart.objects.filter(status="expired").values_list("pk", flat=True)) == {old.id, empty.id}


def test_the_tasks_are_known_by_name():
    assert tasks.detect_abandoned.name == "cart.detect_abandoned"
    assert tasks.expire_idle.name == "cart.expire_idle"


def test_a_run_goes_on_until_nothing_is_left(catalog, monkeypatch):
    left = [100, 100, 3, 0, 5]
    monkeypatch.setattr(tasks.abandonment, "detect_abandoned", lambda **_: left.pop(0))
    tasks.detect_abandoned()
    assert left == [5]
