"""What a cart is at one version."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from ecommerce.money import Money, total


class Status(StrEnum):
    OPEN = "open"
    CONVERTED = "converted"
    EXPIRED = "expired"
    MERGED = "merged"


@dataclass(frozen=True, kw_only=True)
class Line:
    """One variant in a cart, as the customer saw it when the line was last touched; only ids are looked up again."""

    variant_id: UUID
    product_id: UUID
    quantity: int
    unit_price: Money
    sku: str
    name: str
    slug: str = ""
    options: dict[str, str] = field(default_factory=dict)
    image_url: str = ""

    @property
    def total(self) -> Money:
        return self.unit_price * self.quantity


@dataclass(frozen=True, kw_only=True)
class CartState:
    """The fold of a cart's first ``version`` events.

    ``contents_version`` is the version of the last event that changed what would be bought or for whom; a reminder, a
    contact or a restored link does not move it. ``token_hash`` belongs to the guest who opened the cart,
    ``recovery_token_hash`` to the last device that restored it by link; both are SHA-256 in hex, empty when void.
    """

    id: UUID
    currency: str
    created_at: datetime
    last_activity_at: datetime
    version: int = 0
    contents_version: int = 0
    status: Status = Status.OPEN
    customer_id: UUID | None = None
    token_hash: str = ""
    recovery_token_hash: str = ""
    email: str = ""
    marketing_consent: bool = False
    coupon_code: str = ""
    coupon_applied_at: datetime | None = None
    lines: tuple[Line, ...] = ()
    converted_order_id: UUID | None = None
    merged_into_id: UUID | None = None
    abandoned_at: datetime | None = None

    @property
    def is_open(self) -> bool:
        return self.status == Status.OPEN

    @property
    def pieces(self) -> int:
        return sum(line.quantity for line in self.lines)

    @property
    def subtotal(self) -> Money:
        """The sum of the lines at the prices the customer saw."""
        return total((line.total for line in self.lines), self.currency)

    def line(self, variant_id: UUID) -> Line | None:
        return next((line for line in self.lines if line.variant_id == variant_id), None)

    def quantity_of(self, variant_id: UUID) -> int:
        line = self.line(variant_id)
        return line.quantity if line else 0


def with_lines(lines: tuple[Line, ...], changed: Iterable[Line]) -> tuple[Line, ...]:
    """Return ``lines`` with each changed line in the place of the one of its variant, new variants at the end."""
    by_variant = {line.variant_id: line for line in lines}
    by_variant.update((line.variant_id, line) for line in changed)
    return tuple(by_variant.values())
