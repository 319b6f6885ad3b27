from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any
from uuid import UUID

import pytest

from contexts.cart.interface import CartContact, CartInterface
from contexts.identity.interface import Customer, IdentityInterface
from contexts.notification import usecases
from contexts.order.interface import Order, OrderInterface
from ecommerce.testing import provide
from tests.contexts.notification.factories import NOW
from tests.contexts.notification.mail_sink import MailSink


class Neighbours:
    """Identity, order and cart as far as notification asks them; ``calls`` counts the questions."""

    def __init__(self) -> None:
        self.customers: list[Customer] = []
        self.orders: list[Order] = []
        self.contacts: list[CartContact] = []
        self.calls: list[str] = []

    def get_customers(self, *, ids: Sequence[UUID]) -> list[Customer]:
        assert len(ids) <= 200
        self.calls.append("get_customers")
        return [customer for customer in self.customers if customer.id in ids]

    def get_orders(self, *, ids: Sequence[UUID]) -> list[Order]:
        self.calls.append("get_orders")
        return [order for order in self.orders if order.id in ids]

    def get_contact(self, *, cart_id: UUID) -> CartContact:
        self.calls.append("get_contact")
        return next(contact for contact in self.contacts if contact.cart_id == cart_id)


@pytest.fixture
def neighbours() -> Iterator[Neighbours]:
    fake = Neighbours()
    with provide(IdentityInterface, fake), provide(OrderInterface, fake), provide(CartInterface, fake):
        yield fake


@pytest.fixture
def templates(db: None) -> None:
    """The shipped templates, also after a test that emptied all tables."""
    usecases.install_missing_templates(now=NOW)


@pytest.fixture
def sink(settings: Any) -> Iterator[MailSink]:
    """A running SMTP server that Django sends to."""
    with MailSink().running() as sink:
        use_smtp(settings, sink.port)
        yield sink


def use_smtp(settings: Any, port: int) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT, settings.EMAIL_TIMEOUT = "127.0.0.1", port, 5
    settings.EMAIL_HOST_USER, settings.EMAIL_HOST_PASSWORD = "", ""
    settings.EMAIL_USE_TLS = settings.EMAIL_USE_SSL = False
