"""The one way to change one cart: lock, check, decide, append, project."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from uuid import UUID

from contexts.cart.domain.access import Caller
from contexts.cart.domain.events import Event
from contexts.cart.domain.state import CartState
from contexts.cart.models import Cart
from contexts.cart.queries import locked_cart
from ecommerce.unit_of_work import unit_of_work

Precondition = Callable[[int], None]


def change(
    *,
    cart_id: UUID,
    caller: Caller,
    now: datetime,
    decide: Callable[[CartState], Sequence[Event]],
    precondition: Precondition | None = None,
) -> Cart:
    """Record what ``decide`` makes of the cart, and return the cart as it is then. Two statements, one if nothing
    happened.

    Raises:
        CartNotFound: unknown, or not the caller's.
    """
    with unit_of_work("cart"):
        cart = locked_cart(cart_id=cart_id, caller=caller)
        if precondition:
            precondition(cart.version)
        cart.record(decide(cart.state), actor=caller.actor, now=now)
    return cart
