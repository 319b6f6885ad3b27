"""The tables of catalog."""

from contexts.catalog.models.categories import Category
from contexts.catalog.models.customers import Favourite, Review, ReviewStatus, StockAlert, VerifiedPurchase
from contexts.catalog.models.products import (
    AttributeDefinition,
    AttributeType,
    Media,
    PriceChange,
    Product,
    ProductOption,
    ProductStatus,
    Variant,
)
from contexts.catalog.models.read_model import BestSeller, ProductCatalog
from contexts.catalog.models.stock import (
    MovementKind,
    ReservationLine,
    ReservationStatus,
    Stock,
    StockMovement,
    StockReservation,
)

__all__ = [
    "AttributeDefinition",
    "AttributeType",
    "BestSeller",
    "Category",
    "Favourite",
    "Media",
    "MovementKind",
    "PriceChange",
    "Product",
    "ProductCatalog",
    "ProductOption",
    "ProductStatus",
    "ReservationLine",
    "ReservationStatus",
    "Review",
    "ReviewStatus",
    "Stock",
    "StockAlert",
    "StockMovement",
    "StockReservation",
    "Variant",
    "VerifiedPurchase",
]
