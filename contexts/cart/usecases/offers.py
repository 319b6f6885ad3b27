"""What the catalog says about variants, in the cart's words."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from uuid import UUID

from contexts.cart.domain.rules import Offer
from contexts.cart.domain.state import Line
from contexts.catalog.interface import CatalogInterface, Variant, VariantUnavailable
from ecommerce.calls import connect

catalog = connect(CatalogInterface)


def offers_for(quantities: Mapping[UUID, int]) -> list[Offer]:
    """Return an offer for every wanted variant, in order, by one call.

    Raises:
        VariantUnavailable: one of them is unknown or no longer sold.
    """
    variants = variants_of(quantities)
    missing = [str(id) for id in quantities if id not in variants or not variants[id].on_sale]
    if missing:
        raise VariantUnavailable("Este produto não está à venda.", variant_ids=missing)
    return [offer_of(variants[id], quantity=quantity) for id, quantity in quantities.items()]


def variants_of(ids: Iterable[UUID]) -> dict[UUID, Variant]:
    """Return the variants that catalog knows by id, on sale or not; no call if there is nothing to ask."""
    wanted = list(ids)
    return {variant.id: variant for variant in catalog.get_variants(ids=wanted)} if wanted else {}


def offer_of(variant: Variant, *, quantity: int) -> Offer:
    line = Line(
        variant_id=variant.id,
        product_id=variant.product_id,
        quantity=quantity,
        unit_price=variant.price,
        sku=variant.sku,
        name=variant.product_name,
        slug=variant.product_slug,
        options=variant.options,
        image_url=variant.image_url,
    )
    return Offer(line=line, available=variant.available)
