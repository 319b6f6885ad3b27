"""How two carts become one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from uuid import UUID

from contexts.cart.domain.events import CartMerged, Event, MergedInto, MergeOutcome
from contexts.cart.domain.rules import MAX_LINES, MAX_QUANTITY, Offer, require_open
from contexts.cart.domain.state import CartState, Line
from ecommerce.errors import Invalid

SUM_CAPPED = "sum_capped"
"""The quantities of both carts are added up, then capped by the limit per line and by the stock. A line of the target
never shrinks or vanishes, prices are today's, and the target's coupon and contact win over the source's."""


class MergeWithItself(Invalid):
    code = "merge_with_itself"


@dataclass(frozen=True, kw_only=True)
class Merge:
    """The events of one merge, for each of the two logs."""

    target: list[Event]
    source: list[Event]


def sum_capped(*, target: CartState, source: CartState, offers: Mapping[UUID, Offer]) -> Merge:
    """Return the merge of ``source`` into ``target``. ``offers`` holds what the catalog sells of the source's lines;
    a variant that is missing there is not sold.

    Raises:
        CartChanged: one of the carts is not open.
        MergeWithItself: it is one cart.
    """
    if target.id == source.id:
        raise MergeWithItself("Um carrinho não pode ser unido a ele mesmo.")
    require_open(target)
    require_open(source)
    outcomes: list[MergeOutcome] = []
    lines: list[Line] = []
    room = MAX_LINES - len(target.lines)
    for line in source.lines:
        held = target.quantity_of(line.variant_id)
        outcome = _merged_line(line, held=held, offer=offers.get(line.variant_id), room=room)
        outcomes.append(outcome)
        if outcome.quantity > held:
            offer = offers[line.variant_id]
            lines.append(replace(offer.line, quantity=outcome.quantity))
            room -= not held
    contact = target if target.email or target.marketing_consent else source
    merged = CartMerged(
        source_cart_id=source.id,
        strategy=SUM_CAPPED,
        lines=lines,
        outcomes=outcomes,
        coupon_code=target.coupon_code or source.coupon_code,
        email=contact.email,
        marketing_consent=contact.marketing_consent,
    )
    return Merge(target=[merged], source=[MergedInto(target_cart_id=target.id)])


def _merged_line(line: Line, *, held: int, offer: Offer | None, room: int) -> MergeOutcome:
    requested = held + line.quantity
    caps = {"quantity_limit": MAX_QUANTITY}
    if offer is None:
        caps["unavailable"] = 0
    else:
        caps["stock"] = max(offer.available, 0)
    if not held and room <= 0:
        caps["line_limit"] = 0
    cap, limit = min(caps.items(), key=lambda item: item[1])
    return MergeOutcome(
        variant_id=line.variant_id,
        name=line.name,
        requested=requested,
        quantity=max(held, min(requested, limit)),
        cap=cap if requested > limit else "",
        seen_price=line.unit_price,
        price=offer.line.unit_price if offer else line.unit_price,
    )
