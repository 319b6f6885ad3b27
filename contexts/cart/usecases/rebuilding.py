"""The projection from its events again, while writes go on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from contexts.cart.domain.events import rebuild
from contexts.cart.models import Cart, columns_of
from contexts.cart.queries import logs_of
from ecommerce.unit_of_work import unit_of_work


@dataclass(frozen=True, kw_only=True)
class Difference:
    """A cart whose row is not what its events say; ``columns`` names where, or is empty if there is no row."""

    cart_id: UUID
    columns: list[str]


def compare_projections(*, cart_ids: Sequence[UUID], repair: bool) -> list[Difference]:
    """Compare the rows of these carts with the fold of their events, and with ``repair`` put the rows right.

    The rows are locked meanwhile, so writers wait and nothing is compared half-way. Two statements, one more to
    repair. Keep ``cart_ids`` to some hundreds.
    """
    with unit_of_work("cart"):
        rows = {cart.id: cart for cart in Cart.objects.select_for_update().filter(pk__in=cart_ids).order_by("pk")}
        differences: list[Difference] = []
        right: list[Cart] = []
        for cart_id, log in logs_of(cart_ids).items():
            columns = columns_of(rebuild(log))
            row = rows.get(cart_id)
            moved = [name for name, value in columns.items() if row and getattr(row, name) != value]
            if moved or row is None:
                differences.append(Difference(cart_id=cart_id, columns=moved))
                right.append(Cart(**columns))
        if repair and right:
            Cart.store(right)
    return differences
