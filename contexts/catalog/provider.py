"""Catalog as other contexts see it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import orjson
from django.conf import settings

from contexts.catalog.interface import CatalogInterface, StockLine, Variant
from contexts.catalog.queries.variants import variants_by_id
from contexts.catalog.usecases import reservations
from ecommerce import clock
from ecommerce.calls import provides
from ecommerce.money import Money


@provides(CatalogInterface)
class CatalogProvider(CatalogInterface):
    def get_variants(self, *, ids: Sequence[UUID]) -> list[Variant]:
        return [
            Variant(
                id=id_,
                product_id=product_id,
                sku=sku,
                product_name=name,
                product_slug=slug,
                options=orjson.loads(options),
                price=Money(price, currency),
                weight_grams=weight_grams,
                category_ids=category_ids,
                available=available,
                on_sale=on_sale,
                image_url=_url(path),
            )
            for (
                id_, product_id, sku, name, slug, options, price, currency, weight_grams, category_ids, available,
                on_sale, path,
            ) in variants_by_id(ids)
        ]  # fmt: skip

    def reserve_stock(self, *, reservation_id: UUID, lines: Sequence[StockLine], expires_at: datetime) -> None:
        reservations.reserve_stock(reservation_id=reservation_id, lines=lines, expires_at=expires_at, now=clock.now())

    def renew_stock(self, *, reservation_id: UUID, lines: Sequence[StockLine], expires_at: datetime) -> None:
        reservations.renew_stock(reservation_id=reservation_id, lines=lines, expires_at=expires_at, now=clock.now())

    def release_stock(self, *, reservation_id: UUID) -> None:
        reservations.release_stock(reservation_id=reservation_id, now=clock.now())


def _url(path: str | None) -> str:
    if not path:
        return ""
    return path if path.startswith("http") else f"{settings.MEDIA_URL}{path}"
