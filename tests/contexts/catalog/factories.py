"""What catalog tests are made of."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import factory
from factory.django import DjangoModelFactory

from contexts.catalog.models import Category, Media, Product, ProductStatus, Review, ReviewStatus, Stock, Variant
from contexts.catalog.usecases.read_model import refresh_products
from ecommerce.ids import new_id
from ecommerce.money import Money
from ecommerce.unit_of_work import unit_of_work

NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)


def brl(amount: str) -> Money:
    return Money(Decimal(amount))


class CategoryFactory(DjangoModelFactory[Category]):
    class Meta:
        model = Category

    name = factory.Sequence(lambda number: f"Categoria {number}")
    slug = factory.Sequence(lambda number: f"categoria-{number}")
    ancestor_ids = factory.LazyAttribute(lambda category: category.parent.path if category.parent else [])
    parent = None


class ProductFactory(DjangoModelFactory[Product]):
    class Meta:
        model = Product

    name = factory.Sequence(lambda number: f"Produto {number}")
    slug = factory.Sequence(lambda number: f"produto-{number}")
    category = factory.SubFactory(CategoryFactory)
    status = ProductStatus.ACTIVE
    created_at = NOON


class VariantFactory(DjangoModelFactory[Variant]):
    class Meta:
        model = Variant

    product = factory.SubFactory(ProductFactory)
    sku = factory.Sequence(lambda number: f"SKU-{number}")
    options = factory.Sequence(lambda number: {"Tamanho": str(number)})
    price = Decimal("10.00")


class ReviewFactory(DjangoModelFactory[Review]):
    class Meta:
        model = Review

    product = factory.SubFactory(ProductFactory)
    customer_id = factory.LazyFunction(new_id)
    author_name = "Ana P."
    rating = 5
    status = ReviewStatus.APPROVED
    created_at = NOON


def on_sale(*, stock: int = 10, price: str = "10.00", **product: Any) -> Variant:
    """Return the only variant of a new product that the shop shows."""
    return variant_of(ProductFactory.create(**product), stock=stock, price=price)


def variant_of(product: Product, *, stock: int = 10, price: str = "10.00", **fields: Any) -> Variant:
    """Add a variant with stock to a product and show it."""
    variant = VariantFactory.create(product=product, price=Decimal(price), **fields)
    Stock.objects.create(variant=variant)
    Stock.objects.filter(pk=variant.pk).update(on_hand=stock, version=2)
    show(product)
    return variant


def show(*products: Product) -> None:
    with unit_of_work("catalog"):
        refresh_products([product.pk for product in products])


def picture_of(product: Product, path: str) -> Media:
    return Media.objects.create(product=product, path=path, alt="foto")
