"""What other contexts may ask, answered from this database."""

from collections.abc import Sequence
from uuid import UUID

from contexts.cart.domain.access import Caller
from contexts.cart.domain.state import Status
from contexts.cart.interface import Cart, CartContact, CartInterface, CartLine
from contexts.cart.queries import carts_by_id, owned_cart
from contexts.cart.usecases.lifecycle import convert_cart, reopen_cart
from ecommerce.calls import provides
from ecommerce.clock import now

PUBLIC_STATUS = {Status.MERGED.value: Status.EXPIRED.value}
"""A cart that went into another one is over; nobody else needs to know how."""


@provides(CartInterface)
class CartProvider(CartInterface):
    """One statement per read; two per change, one when it was done before."""

    def get_cart(self, *, cart_id: UUID, customer_id: UUID | None = None, token: str = "") -> Cart:
        cart = owned_cart(cart_id=cart_id, caller=Caller(customer_id=customer_id, token=token))
        return Cart(
            id=cart.id,
            version=cart.version,
            status=PUBLIC_STATUS.get(cart.status, cart.status),
            lines=[
                CartLine(variant_id=line.variant_id, quantity=line.quantity, unit_price=line.unit_price)
                for line in cart.state.lines
            ],
            customer_id=cart.customer_id,
            email=cart.email,
            coupon_code=cart.coupon_code,
        )

    def convert(self, *, cart_id: UUID, version: int, order_id: UUID) -> None:
        convert_cart(cart_id=cart_id, version=version, order_id=order_id, now=now())

    def reopen(self, *, cart_id: UUID, order_id: UUID) -> None:
        reopen_cart(cart_id=cart_id, order_id=order_id, now=now())

    def get_contacts(self, *, cart_ids: Sequence[UUID]) -> list[CartContact]:
        return [
            CartContact(
                cart_id=cart.id,
                customer_id=cart.customer_id,
                email=cart.email,
                consent=cart.marketing_consent,
                status=PUBLIC_STATUS.get(cart.status, cart.status),
            )
            for cart in carts_by_id(cart_ids)
        ]
