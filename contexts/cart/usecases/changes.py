"""The one way to change one cart: read, check, decide, append, project."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from uuid import UUID

from contexts.cart.domain.access import Caller
from contexts.cart.domain.events import Event
from contexts.cart.domain.state import CartState
from contexts.cart.models import Cart, VersionTaken
from contexts.cart.queries import find_cart
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
    """Record what ``decide`` makes of the cart, and return the cart as it is then.

    Two statements, one if nothing happened: a read, and an append for the version that was read, which is a transaction
    by itself. Should somebody else append first, everything is done again with the cart locked.

    Raises:
        CartNotFound: unknown, or not the caller's.
    """
    return append(cart_id=cart_id, caller=caller, actor=caller.actor, now=now, decide=decide, precondition=precondition)


def append(
    *,
    cart_id: UUID,
    caller: Caller | None,
    actor: str,
    now: datetime,
    decide: Callable[[CartState], Sequence[Event]],
    precondition: Precondition | None = None,
) -> Cart:
    """Do as :func:`change` in the name of ``actor``; without ``caller`` to anybody's cart."""

    def changed(*, lock: bool) -> Cart:
        cart = find_cart(cart_id=cart_id, caller=caller, lock=lock)
        if precondition:
            precondition(cart.version)
        cart.record(decide(cart.state), actor=actor, now=now)
        return cart

    try:
        return changed(lock=False)
    except VersionTaken:
        with unit_of_work("cart"):
            return changed(lock=True)
