"""What may happen to a cart. Each function looks at the cart and returns the events to record: none when the wish is
already fulfilled."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from uuid import UUID

from contexts.cart.domain.events import (
    Abandoned,
    CartCreated,
    Claimed,
    ContactLeft,
    Converted,
    CouponApplied,
    CouponRemoved,
    Event,
    Expired,
    ItemAdded,
    ItemRemoved,
    NoticedPrice,
    PriceNoticed,
    QuantityChanged,
    Recovered,
    Reopened,
)
from contexts.cart.domain.state import CartState, Line, Status
from contexts.cart.interface import CartChanged
from contexts.catalog.interface import OutOfStock
from ecommerce.errors import Conflict, Invalid, NotFound

MAX_QUANTITY = 999
MAX_LINES = 200


class LineNotFound(NotFound):
    code = "line_not_found"


class QuantityTooLarge(Invalid):
    """``limit`` is the most pieces of one variant that a cart takes."""

    code = "quantity_too_large"


class TooManyLines(Invalid):
    """``limit`` is the most variants that a cart takes."""

    code = "too_many_lines"


class CurrencyMismatch(Conflict):
    code = "currency_mismatch"


@dataclass(frozen=True, kw_only=True)
class Offer:
    """A line as the catalog sells it now. ``line.quantity`` is what the customer asks for, ``available`` what is free
    to be sold."""

    line: Line
    available: int


def create(
    *, cart_id: UUID, currency: str, token_hash: str, customer_id: UUID | None, offers: Sequence[Offer]
) -> list[Event]:
    """Return the events of a new cart that holds ``offers``.

    Raises:
        QuantityTooLarge, TooManyLines, CurrencyMismatch, OutOfStock: as :func:`add`.
    """
    created = CartCreated(cart_id=cart_id, currency=currency, token_hash=token_hash, customer_id=customer_id)
    return [created, *_additions((), currency, offers)]


def add(state: CartState, offers: Sequence[Offer]) -> list[Event]:
    """Return the events that put ``offers`` (one per variant) on top of what is in the cart.

    Raises:
        CartChanged: the cart is not open.
        QuantityTooLarge, TooManyLines, CurrencyMismatch: a limit of the cart.
        OutOfStock: the cart would hold more than there is; nothing is added.
    """
    require_open(state)
    return _additions(state.lines, state.currency, offers)


def change_quantity(state: CartState, offer: Offer) -> list[Event]:
    """Return the events that set a line to ``offer.line.quantity`` pieces at today's price.

    Raises:
        CartChanged: the cart is not open.
        LineNotFound: the variant is not in the cart.
        QuantityTooLarge, CurrencyMismatch, OutOfStock: as :func:`add`.
    """
    require_open(state)
    wanted = offer.line
    current = state.line(wanted.variant_id)
    if current is None:
        raise LineNotFound("Este item não está no carrinho.", variant_id=str(wanted.variant_id))
    if (current.quantity, current.unit_price) == (wanted.quantity, wanted.unit_price):
        return []
    _require_fit({wanted.variant_id: wanted.quantity}, state.currency, [offer])
    changed = QuantityChanged(variant_id=wanted.variant_id, quantity=wanted.quantity, unit_price=wanted.unit_price)
    return [changed]


def remove(state: CartState, variant_id: UUID) -> list[Event]:
    """Return the event that takes a line out.

    Raises:
        CartChanged: the cart is not open.
        LineNotFound: the variant is not in the cart.
    """
    require_open(state)
    if state.line(variant_id) is None:
        raise LineNotFound("Este item não está no carrinho.", variant_id=str(variant_id))
    return [ItemRemoved(variant_id=variant_id)]


def notice_prices(state: CartState, current: Iterable[Line]) -> list[Event]:
    """Return the event that takes over the unit prices of ``current`` for the lines whose price moved.

    Raises:
        CartChanged: the cart is not open.
    """
    require_open(state)
    moved = [
        NoticedPrice(variant_id=seen.variant_id, old_price=seen.unit_price, new_price=line.unit_price)
        for line in current
        if (seen := state.line(line.variant_id)) and seen.unit_price != line.unit_price
    ]
    return [PriceNoticed(prices=moved)] if moved else []


def apply_coupon(state: CartState, code: str) -> list[Event]:
    """Return the event that puts a coupon, already found to apply, on the cart; it replaces another one.

    Raises:
        CartChanged: the cart is not open.
    """
    require_open(state)
    return [CouponApplied(code=code)] if code != state.coupon_code else []


def remove_coupon(state: CartState) -> list[Event]:
    """Return the event that takes the coupon off.

    Raises:
        CartChanged: the cart is not open.
    """
    require_open(state)
    return [CouponRemoved(code=state.coupon_code)] if state.coupon_code else []


def leave_contact(state: CartState, *, email: str, marketing_consent: bool) -> list[Event]:
    """Return the event that replaces contact and consent.

    Raises:
        CartChanged: the cart is not open.
    """
    require_open(state)
    if (state.email, state.marketing_consent) == (email, marketing_consent):
        return []
    return [ContactLeft(email=email, marketing_consent=marketing_consent)]


def claim(state: CartState, customer_id: UUID) -> list[Event]:
    """Return the event that gives a guest's cart to a customer who showed its token.

    Raises:
        CartChanged: the cart is not open.
    """
    if state.customer_id == customer_id:
        return []
    require_open(state)
    return [Claimed(customer_id=customer_id)]


def convert(state: CartState, *, version: int, order_id: UUID) -> list[Event]:
    """Return the event that closes the cart because it became an order. What happened after ``version`` without
    changing the contents (a reminder, a contact) does not stand in the way.

    Raises:
        CartChanged: the contents moved past ``version``, or the cart is neither open nor this order's.
    """
    if state.status == Status.CONVERTED and state.converted_order_id == order_id:
        return []
    require_open(state)
    if not state.contents_version <= version <= state.version:
        raise changed(state, "O carrinho mudou desde a última leitura.")
    return [Converted(order_id=order_id)]


def reopen(state: CartState, *, order_id: UUID) -> list[Event]:
    """Return the event that opens a cart converted to ``order_id`` again; none for any other cart."""
    if state.status != Status.CONVERTED or state.converted_order_id != order_id:
        return []
    return [Reopened(order_id=order_id)]


def recover(state: CartState, *, token_hash: str) -> list[Event]:
    """Return the event that lets one more device hold the cart.

    Raises:
        CartChanged: the cart is not open.
    """
    require_open(state)
    return [Recovered(token_hash=token_hash)]


def abandon(state: CartState, *, notified: bool) -> list[Event]:
    """Return the event that marks an open cart as left alone; none if it is marked, closed or empty."""
    if not state.is_open or state.abandoned_at or not state.lines:
        return []
    return [Abandoned(notified=notified)]


def expire(state: CartState) -> list[Event]:
    """Return the event that ends an open cart; a converted one has money attached and never expires."""
    return [Expired()] if state.is_open else []


def require_open(state: CartState) -> None:
    """Raises:
    CartChanged: the cart was converted, has expired or went into another cart.
    """
    if not state.is_open:
        raise changed(state, "Este carrinho não está mais aberto.")


def changed(state: CartState, detail: str) -> CartChanged:
    """Return the refusal; ``cart_status`` says over HTTP what ``status`` says to other contexts, since a problem
    document's own ``status`` is a number."""
    return CartChanged(detail, version=state.version, status=state.status.value, cart_status=state.status.value)


def _additions(lines: Sequence[Line], currency: str, offers: Sequence[Offer]) -> list[Event]:
    held = {line.variant_id: line.quantity for line in lines}
    wanted = {offer.line.variant_id: held.get(offer.line.variant_id, 0) + offer.line.quantity for offer in offers}
    if len(held.keys() | wanted.keys()) > max(MAX_LINES, len(held)):
        raise TooManyLines(f"O carrinho aceita no máximo {MAX_LINES} itens diferentes.", limit=MAX_LINES)
    _require_fit(wanted, currency, offers)
    return [ItemAdded(line=offer.line) for offer in offers]


def _require_fit(wanted: dict[UUID, int], currency: str, offers: Sequence[Offer]) -> None:
    """Check the quantities that the cart would hold against its limits and the stock."""
    if any(quantity > MAX_QUANTITY for quantity in wanted.values()):
        raise QuantityTooLarge(f"São no máximo {MAX_QUANTITY} unidades por item.", limit=MAX_QUANTITY)
    if any(offer.line.unit_price.currency != currency for offer in offers):
        raise CurrencyMismatch("O item é vendido em outra moeda.", currency=currency)
    shortages = [
        {"variant_id": str(variant_id), "requested": wanted[variant_id], "available": offer.available}
        for offer in offers
        if wanted[variant_id := offer.line.variant_id] > offer.available
    ]
    if shortages:
        raise OutOfStock("Não há estoque suficiente.", shortages=shortages)
