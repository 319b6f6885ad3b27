"""What other contexts may ask of catalog."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated
from uuid import UUID

from ecommerce.contract import AtMost, operation
from ecommerce.errors import Conflict, NotFound
from ecommerce.money import Money


class VariantUnavailable(NotFound):
    """A variant does not exist, is not on sale or was removed. ``variant_ids`` lists them."""

    code = "variant_unavailable"


class OutOfStock(Conflict):
    """Too few pieces. ``shortages`` lists ``{"variant_id", "requested", "available"}``."""

    code = "out_of_stock"


class ReservationClosed(Conflict):
    """The reservation was released or has expired; take a new id."""

    code = "reservation_closed"


@dataclass(frozen=True, kw_only=True)
class Variant:
    """A sellable variant as it is now.

    ``options`` are display pairs such as ``{"Cor": "Azul"}``; ``category_ids`` holds the product's category and all
    its ancestors; ``available`` counts pieces that are neither sold nor reserved.
    """

    id: UUID
    product_id: UUID
    sku: str
    product_name: str
    product_slug: str
    options: dict[str, str]
    price: Money
    weight_grams: int
    category_ids: list[UUID]
    available: int
    on_sale: bool
    image_url: str = ""


@dataclass(frozen=True, kw_only=True)
class StockLine:
    variant_id: UUID
    quantity: int


Ids = Annotated[Sequence[UUID], AtMost(200)]
Lines = Annotated[Sequence[StockLine], AtMost(200)]


class CatalogInterface(ABC):
    @operation("catalog:read", idempotent=True, timeout=2)
    @abstractmethod
    def get_variants(self, *, ids: Ids) -> list[Variant]:
        """Return the variants among at most 200 ``ids``, in no order; unknown and deleted ids are left out.

        A variant that is no longer sold is returned with ``on_sale`` false.
        """

    @operation("catalog:write", idempotent=True, timeout=3)
    @abstractmethod
    def reserve_stock(self, *, reservation_id: UUID, lines: Lines, expires_at: datetime) -> None:
        """Hold stock for all ``lines`` or for none.

        Idempotent by ``reservation_id``: a repeated call changes nothing. A reservation that nobody commits is
        released after ``expires_at``.

        Raises:
            VariantUnavailable: a variant is unknown or not on sale.
            OutOfStock: fewer pieces than asked.
            ReservationClosed: this reservation was released before.
        """

    @operation("catalog:write", idempotent=True, timeout=3)
    @abstractmethod
    def renew_stock(self, *, reservation_id: UUID, lines: Lines, expires_at: datetime) -> None:
        """Make sure that a reservation lasts until ``expires_at`` at least. Idempotent.

        One that has lapsed, or that nobody knows, takes ``lines`` anew; one that was sold is left as it is.

        Raises:
            OutOfStock: it had lapsed and the pieces are gone.
        """

    @operation("catalog:write", idempotent=True, timeout=3)
    @abstractmethod
    def release_stock(self, *, reservation_id: UUID) -> None:
        """Give a reservation's pieces back. Idempotent; an unknown reservation is remembered as released, so that a
        late ``reserve_stock`` of the same id is refused. A committed reservation is left as it is."""
