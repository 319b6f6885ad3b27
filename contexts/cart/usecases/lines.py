"""What is in a cart."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from contexts.cart.domain import rules
from contexts.cart.domain.access import Caller
from contexts.cart.models import Cart
from contexts.cart.queries import owned_cart
from contexts.cart.usecases.changes import Precondition, change
from contexts.cart.usecases.offers import offer_of, offers_for, variants_of


def add_line(
    *,
    cart_id: UUID,
    caller: Caller,
    variant_id: UUID,
    quantity: int,
    now: datetime,
    precondition: Precondition | None = None,
) -> Cart:
    """Put ``quantity`` more pieces of a variant into the cart. One call to catalog, two statements.

    Parallel adds wait for each other at the cart's row, so each of them counts.

    Raises:
        CartNotFound, CartChanged: not the caller's; not open.
        VariantUnavailable, OutOfStock, QuantityTooLarge, TooManyLines, CurrencyMismatch: it cannot be had.
    """
    offers = offers_for({variant_id: quantity})
    return change(
        cart_id=cart_id,
        caller=caller,
        now=now,
        precondition=precondition,
        decide=lambda state: rules.add(state, offers),
    )


def change_quantity(
    *, cart_id: UUID, caller: Caller, variant_id: UUID, quantity: int, now: datetime, precondition: Precondition
) -> Cart:
    """Set a line to ``quantity`` pieces at today's price. One call to catalog, two statements.

    Raises:
        CartNotFound, CartChanged, LineNotFound: not the caller's; not open; not in the cart.
        VariantUnavailable, OutOfStock, QuantityTooLarge: it cannot be had.
    """
    [offer] = offers_for({variant_id: quantity})
    return change(
        cart_id=cart_id,
        caller=caller,
        now=now,
        precondition=precondition,
        decide=lambda state: rules.change_quantity(state, offer),
    )


def remove_line(*, cart_id: UUID, caller: Caller, variant_id: UUID, now: datetime, precondition: Precondition) -> Cart:
    """Take a line out of the cart. Two statements.

    Raises:
        CartNotFound, CartChanged, LineNotFound: not the caller's; not open; not in the cart.
    """
    return change(
        cart_id=cart_id,
        caller=caller,
        now=now,
        precondition=precondition,
        decide=lambda state: rules.remove(state, variant_id),
    )


def notice_prices(*, cart_id: UUID, caller: Caller, now: datetime, precondition: Precondition) -> Cart:
    """Go on with today's prices: they become those that the customer saw. One call to catalog, three statements.

    Raises:
        CartNotFound, CartChanged: not the caller's; not open.
    """
    seen = owned_cart(cart_id=cart_id, caller=caller).state
    variants = variants_of(line.variant_id for line in seen.lines)
    current = [offer_of(variant, quantity=1).line for variant in variants.values() if variant.on_sale]
    return change(
        cart_id=cart_id,
        caller=caller,
        now=now,
        precondition=precondition,
        decide=lambda state: rules.notice_prices(state, current),
    )
