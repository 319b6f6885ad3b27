from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.db import connections

from contexts.catalog.events import VariantPriceChanged
from ecommerce.inbox import registry
from ecommerce.outbox import staff as outbox_staff
from tests.config.archived import Listener, Ran


@pytest.fixture
def only_cart_listens(monkeypatch: pytest.MonkeyPatch) -> None:
    found = {handler.name: handler for handler in registry.handlers(context="cart")}
    monkeypatch.setattr(registry, "_handlers", found)


@pytest.fixture
def woken(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The contexts whose relay was woken: by a thread, which would find the database closed once the test is over."""
    aliases: list[str] = []
    monkeypatch.setattr(outbox_staff, "wake", aliases.append)
    return aliases


@pytest.fixture
def events() -> Ran:
    return Ran()


@pytest.fixture
def listener(monkeypatch: pytest.MonkeyPatch) -> Listener:
    """Two handlers of the same event in one context; returns the one called ``cart.listen``."""
    listener, other = Listener(), Listener()
    found = [
        registry.Handler("cart.listen", "cart", VariantPriceChanged, listener),
        registry.Handler("cart.other", "cart", VariantPriceChanged, other),
    ]
    monkeypatch.setattr(registry, "_handlers", {handler.name: handler for handler in found})
    return listener


@pytest.fixture
def empty_archive(transactional_db: None) -> Iterator[None]:
    """Django's flush leaves tables alone that it does not manage."""
    yield
    with connections["catalog"].cursor() as cursor:
        cursor.execute("TRUNCATE outbox_archive")
