"""What other contexts announced, kept for carts to show."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from contexts.cart.queries import store_exhausted_coupon, store_variant_price
from ecommerce.money import Money
from ecommerce.unit_of_work import unit_of_work


def remember_price(*, variant_id: UUID, price: Money, version: int, changed_at: datetime) -> None:
    """Keep the price that a variant has since ``version``; an older version than the one known changes nothing."""
    with unit_of_work("cart"):
        store_variant_price(variant_id=variant_id, price=price, version=version, changed_at=changed_at)


def flag_coupon_exhausted(*, coupon_id: UUID, code: str, version: int, exhausted_at: datetime) -> None:
    """Flag every cart that took the coupon before ``exhausted_at``, by one row whatever their number."""
    with unit_of_work("cart"):
        store_exhausted_coupon(coupon_id=coupon_id, code=code, version=version, exhausted_at=exhausted_at)
