"""Single variants, as staff writes them. Prices change by :mod:`contexts.catalog.usecases.prices`."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Max

from contexts.catalog.domain.options import check_choice
from contexts.catalog.models import Product, ProductStatus, Stock, Variant
from contexts.catalog.usecases.constraints import explained
from contexts.catalog.usecases.prices import VariantNotFound
from contexts.catalog.usecases.products import NewVariant, announce, locked_product, new_variant, options_of
from contexts.catalog.usecases.read_model import refresh_products
from ecommerce.unit_of_work import UnitOfWork, unit_of_work

PLAIN_FIELDS = ("sku", "weight_grams", "length_mm", "width_mm", "height_mm", "barcode", "active", "position")


def add_variant(*, product_id: UUID, variant: NewVariant, now: datetime) -> Variant:
    """Add a variant to a product, with an empty stock.

    Raises:
        ProductNotFound, InvalidOptions, SkuTaken, OptionsTaken
    """
    with explained(), unit_of_work("catalog") as work:
        product = locked_product(product_id)
        check_choice(variant.options, options_of(product))
        last = Variant.objects.filter(product=product).aggregate(last=Max("position"))["last"]
        row = new_variant(product, variant=variant, position=0 if last is None else last + 1, now=now)
        row.save(force_insert=True)
        Stock.objects.create(variant=row)
        _show(work, product)
        return row


def change_variant(*, variant_id: UUID, changes: Mapping[str, Any]) -> Variant:
    """Set the given fields: those of :class:`NewVariant` except the price, and ``position``.

    Raises:
        VariantNotFound, InvalidOptions, SkuTaken, OptionsTaken
    """
    with explained(), unit_of_work("catalog") as work:
        product, variant = _locked_variant(variant_id)
        for name in PLAIN_FIELDS:
            if name in changes:
                setattr(variant, name, changes[name])
        if "options" in changes:
            check_choice(changes["options"], options_of(product))
            variant.options = changes["options"]
        if "compare_at_price" in changes:
            price = changes["compare_at_price"]
            variant.compare_at_price = price.amount if price else None
        variant.version += 1
        variant.save()
        _show(work, product)
        return variant


def remove_variant(*, variant_id: UUID, now: datetime) -> None:
    """Delete a variant softly. Its stock and history stay; carts see it as gone.

    Raises:
        VariantNotFound
    """
    with unit_of_work("catalog") as work:
        product, variant = _locked_variant(variant_id)
        variant.remove(now=now)
        variant.version += 1
        variant.save(update_fields=["deleted_at", "version"])
        _show(work, product)


def _locked_variant(variant_id: UUID) -> tuple[Product, Variant]:
    """Lock the product of a variant, then the variant.

    Raises:
        VariantNotFound
    """
    variants = Variant.objects.filter(id=variant_id, deleted_at__isnull=True)
    product_id = variants.values_list("product_id", flat=True).first()
    product = locked_product(product_id) if product_id else None
    variant = variants.select_for_update(no_key=True).first()
    if product is None or variant is None:
        raise VariantNotFound("A variante não existe.")
    return product, variant


def _show(work: UnitOfWork, product: Product) -> None:
    product.touch()
    product.save(update_fields=["version"])
    announce(work, products=[product])
    if product.status == ProductStatus.ACTIVE:
        refresh_products([product.id])
