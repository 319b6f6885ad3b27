"""The contexts that notification asks."""

from collections.abc import Sequence
from uuid import UUID

from contexts.cart.interface import CartContact
from contexts.identity.interface import Customer
from contexts.order.interface import Order


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

    def get_contacts(self, *, cart_ids: Sequence[UUID]) -> list[CartContact]:
        self.calls.append("get_contacts")
        return [contact for contact in self.contacts if contact.cart_id in cart_ids]
