"""A cart as it would be bought now, and the coupon on it."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from contexts.cart.domain import review as reviews
from contexts.cart.domain import rules
from contexts.cart.domain.access import Caller
from contexts.cart.domain.review import Review
from contexts.cart.domain.state import CartState
from contexts.cart.models import Cart
from contexts.cart.queries import is_known_exhausted, known_prices, owned_cart
from contexts.cart.usecases.changes import Precondition, change
from contexts.cart.usecases.offers import variants_of
from contexts.catalog.interface import Variant
from contexts.promotion.interface import CouponRefused, PromotionInterface, Quote
from ecommerce.calls import connect
from ecommerce.errors import Unavailable

promotion = connect(PromotionInterface)


def review_cart(*, cart_id: UUID, caller: Caller) -> tuple[Cart, Review]:
    """Return a cart against today's prices, stock and promotions. One statement and two calls.

    While catalog or promotion cannot be reached, the review says what it does not know instead of failing.

    Raises:
        CartNotFound: unknown, or not the caller's.
    """
    cart = owned_cart(cart_id=cart_id, caller=caller)
    return cart, review_of(cart.state)


def review_of(state: CartState) -> Review:
    """Return the review of a cart that was read already. Call it outside a transaction."""
    ids = [line.variant_id for line in state.lines]
    try:
        variants = variants_of(ids)
    except Unavailable:
        return reviews.review_by_last_known_prices(state, prices=known_prices(ids), refusal=_last_known_refusal(state))
    try:
        quote = _quote(state, variants, coupon_code=state.coupon_code)
    except Unavailable:
        return reviews.review(state, variants=variants, quote=None, refusal=_last_known_refusal(state))
    return reviews.review(state, variants=variants, quote=quote)


def apply_coupon(
    *, cart_id: UUID, caller: Caller, code: str, now: datetime, precondition: Precondition | None = None
) -> tuple[Cart, Review]:
    """Put a coupon that promotion accepts on the cart, in place of any other. Four statements and two calls.

    Raises:
        CartNotFound, CartChanged: not the caller's; not open, or its contents moved meanwhile.
        CouponRefused: it does not apply; ``reason`` says why, and the cart stays as it is.
        Unavailable: catalog or promotion cannot be reached.
    """
    code = code.strip().upper()
    seen = owned_cart(cart_id=cart_id, caller=caller).state
    rules.require_open(seen)
    variants = variants_of(line.variant_id for line in seen.lines)
    quote = _quote(seen, variants, coupon_code=code)
    if quote.coupon_refusal:
        raise CouponRefused("O cupom não se aplica a este carrinho.", reason=quote.coupon_refusal)

    def check(version: int) -> None:
        if precondition:
            precondition(version)
        if version != seen.version:
            raise rules.changed(seen, "O carrinho mudou enquanto o cupom era conferido.")

    cart = change(
        cart_id=cart_id,
        caller=caller,
        now=now,
        precondition=check,
        decide=lambda state: rules.apply_coupon(state, code),
    )
    return cart, reviews.review(cart.state, variants=variants, quote=quote)


def remove_coupon(
    *, cart_id: UUID, caller: Caller, now: datetime, precondition: Precondition | None = None
) -> tuple[Cart, Review]:
    """Take the coupon off the cart. Three statements and two calls.

    Raises:
        CartNotFound, CartChanged: not the caller's; not open.
    """
    cart = change(cart_id=cart_id, caller=caller, now=now, precondition=precondition, decide=rules.remove_coupon)
    return cart, review_of(cart.state)


def _last_known_refusal(state: CartState) -> str:
    return "exhausted" if is_known_exhausted(state.coupon_code, since=state.coupon_applied_at) else ""


def _quote(state: CartState, variants: dict[UUID, Variant], *, coupon_code: str) -> Quote:
    basket = reviews.basket_of(state, variants=variants, coupon_code=coupon_code)
    if not basket.lines and not coupon_code:
        return reviews.no_discounts(state.currency)
    return promotion.quote(basket=basket)
