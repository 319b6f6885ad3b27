"""What catalog publishes. Aggregate ``variant``."""

from dataclasses import dataclass
from typing import ClassVar
from uuid import UUID

from ecommerce.money import Money


@dataclass(frozen=True, kw_only=True)
class VariantPriceChanged:
    """A variant's price moved."""

    type: ClassVar[str] = "catalog.variant_price_changed.v1"
    aggregate: ClassVar[str] = "variant"

    variant_id: UUID
    old_price: Money
    new_price: Money


@dataclass(frozen=True, kw_only=True)
class VariantBackInStock:
    """A variant that had no free piece has some again; ``customer_ids`` asked to be told (at most 500 per event)."""

    type: ClassVar[str] = "catalog.variant_back_in_stock.v1"
    aggregate: ClassVar[str] = "variant"

    variant_id: UUID
    sku: str
    product_name: str
    product_slug: str
    customer_ids: list[UUID]
