"""What catalog publishes. Aggregates ``product``, ``variant`` and ``stock``, whose id is the variant's."""

from dataclasses import dataclass
from typing import ClassVar
from uuid import UUID

from ecommerce.money import Money


@dataclass(frozen=True, kw_only=True)
class ProductChanged:
    """A product is new, or otherwise than before: its description, images, options or variants, or where it is shown.

    ``on_sale`` says that the shop may show it, ``removed`` that it is gone for good.
    """

    type: ClassVar[str] = "catalog.product_changed.v1"
    aggregate: ClassVar[str] = "product"

    product_id: UUID
    product_name: str
    product_slug: str
    category_id: UUID
    on_sale: bool
    removed: bool


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


@dataclass(frozen=True, kw_only=True)
class StockAdjusted:
    """Pieces of a variant came in, came back or were counted anew, by hand. What orders take and return is not told.

    ``change`` is negative when there are fewer, ``on_hand`` the pieces in the warehouse since, reserved ones included.
    """

    type: ClassVar[str] = "catalog.stock_adjusted.v1"
    aggregate: ClassVar[str] = "stock"

    variant_id: UUID
    change: int
    on_hand: int
