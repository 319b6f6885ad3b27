"""Two carts become one, as when a guest with a cart logs in and has another one."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from contexts.cart.domain.access import Caller
from contexts.cart.domain.events import CartMerged
from contexts.cart.domain.merging import sum_capped
from contexts.cart.domain.rules import Offer, changed
from contexts.cart.domain.state import CartState
from contexts.cart.models import Cart
from contexts.cart.queries import merge_report, owned_cart, owned_pair
from contexts.cart.usecases.changes import Precondition
from contexts.cart.usecases.offers import offer_of, variants_of
from ecommerce.unit_of_work import unit_of_work


def merge_carts(
    *,
    cart_id: UUID,
    source_id: UUID,
    caller: Caller,
    source_token: str,
    now: datetime,
    precondition: Precondition | None = None,
) -> tuple[Cart, CartMerged]:
    """Put the lines of another cart into this one by the strategy ``sum_capped``, and return the report.

    Idempotent: when the source went into this cart before, the report of that merge is returned. The source must be
    the caller's too, or its token be shown. One call to catalog, four statements.

    Raises:
        CartNotFound: one of the carts is unknown or not the caller's.
        CartChanged: one of the carts is not open, or the source moved meanwhile.
        MergeWithItself: it is one cart.
    """
    source_caller = Caller(customer_id=caller.customer_id, token=source_token)
    seen = owned_cart(cart_id=source_id, caller=source_caller).state
    offers = _offers(seen)
    with unit_of_work("cart"):
        target, source = owned_pair(target_id=cart_id, source_id=source_id, caller=caller, source_caller=source_caller)
        if source.merged_into_id == target.id:
            return target, merge_report(target_id=target.id, source_id=source.id)
        if precondition:
            precondition(target.version)
        if source.contents_version > seen.version:
            raise changed(source.state, "O outro carrinho mudou.")
        merge = sum_capped(target=target.state, source=source.state, offers=offers)
        Cart.record_all([(target, merge.target), (source, merge.source)], actor=caller.actor, now=now)
    return target, _report(merge.target)


def _offers(state: CartState) -> dict[UUID, Offer]:
    variants = variants_of(line.variant_id for line in state.lines)
    return {
        line.variant_id: offer_of(variant, quantity=line.quantity)
        for line in state.lines
        if (variant := variants.get(line.variant_id)) and variant.on_sale
    }


def _report(happened: Iterable[object]) -> CartMerged:
    return next(event for event in happened if isinstance(event, CartMerged))
