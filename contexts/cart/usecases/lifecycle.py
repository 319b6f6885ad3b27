"""The birth of a cart, its owner, its contact, and its end as an order."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from uuid import UUID

from contexts.cart.domain import rules
from contexts.cart.domain.access import Caller, digest_of
from contexts.cart.interface import CartNotFound
from contexts.cart.models import Cart
from contexts.cart.usecases.changes import Precondition, append, change
from contexts.cart.usecases.offers import offers_for
from ecommerce.ids import new_id

TOKEN_BYTES = 32
CURRENCY = "BRL"


def create_cart(*, caller: Caller, quantities: Mapping[UUID, int], now: datetime) -> tuple[Cart, str]:
    """Open a cart that holds ``quantities`` (variant to pieces), and return it with its token, which is shown once.

    One statement, and one call to catalog if there are lines.

    Raises:
        VariantUnavailable, OutOfStock, QuantityTooLarge, TooManyLines: a line cannot be had; no cart is made.
    """
    offers = offers_for(quantities)
    token = new_token()
    created = rules.create(
        cart_id=new_id(),
        currency=offers[0].line.unit_price.currency if offers else CURRENCY,
        token_hash=digest_of(token),
        customer_id=caller.customer_id,
        offers=offers,
    )
    return Cart.open(created, actor=caller.actor, now=now), token


def claim_cart(*, cart_id: UUID, caller: Caller, now: datetime, precondition: Precondition | None = None) -> Cart:
    """Give a guest's cart, whose token the caller holds, to the customer who the caller is. Idempotent; the cart's
    tokens are void afterwards.

    Raises:
        CartNotFound, CartChanged: not the caller's to claim; not open.
    """
    customer_id = caller.customer_id
    if customer_id is None:
        raise ValueError("only a customer can claim a cart")
    return change(
        cart_id=cart_id,
        caller=caller,
        now=now,
        precondition=precondition,
        decide=lambda state: rules.claim(state, customer_id),
    )


def leave_contact(
    *,
    cart_id: UUID,
    caller: Caller,
    email: str,
    marketing_consent: bool,
    now: datetime,
    precondition: Precondition | None = None,
) -> Cart:
    """Replace where, and whether, reminders of this cart may be sent.

    Raises:
        CartNotFound, CartChanged: not the caller's; not open.
    """
    address = email.strip().lower()
    return change(
        cart_id=cart_id,
        caller=caller,
        now=now,
        precondition=precondition,
        decide=lambda state: rules.leave_contact(state, email=address, marketing_consent=marketing_consent),
    )


def convert_cart(*, cart_id: UUID, version: int, order_id: UUID, now: datetime) -> None:
    """Close an open cart because it became an order. Idempotent per order; what changed after ``version`` without
    touching the contents does not matter.

    Raises:
        CartNotFound, CartChanged: unknown; the contents moved, it is closed or another order's.
    """
    append(
        cart_id=cart_id,
        caller=None,
        actor=f"order:{order_id}",
        now=now,
        decide=lambda state: rules.convert(state, version=version, order_id=order_id),
    )


def reopen_cart(*, cart_id: UUID, order_id: UUID, now: datetime) -> None:
    """Open a cart again that became ``order_id``. Idempotent; any other cart is left as it is."""
    with suppress(CartNotFound):
        append(
            cart_id=cart_id,
            caller=None,
            actor=f"order:{order_id}",
            now=now,
            decide=lambda state: rules.reopen(state, order_id=order_id),
        )


def new_token() -> str:
    """Return a fresh 256-bit secret, safe in URLs and headers."""
    return secrets.token_urlsafe(TOKEN_BYTES)
