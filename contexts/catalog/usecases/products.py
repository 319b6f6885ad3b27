"""Products and their variants, as staff writes them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from django.utils.text import slugify

from contexts.catalog.domain.attributes import Definition, check_attributes
from contexts.catalog.domain.options import Option, check_choice, check_options
from contexts.catalog.events import ProductChanged
from contexts.catalog.models import (
    AttributeDefinition,
    Media,
    Product,
    ProductOption,
    ProductStatus,
    Stock,
    Variant,
)
from contexts.catalog.queries.products import state_of
from contexts.catalog.usecases.categories import hold_category
from contexts.catalog.usecases.constraints import explained
from contexts.catalog.usecases.ledger import tell_who_waits
from contexts.catalog.usecases.read_model import refresh_products
from ecommerce.errors import DomainError, Kind, NotFound
from ecommerce.money import Money
from ecommerce.unit_of_work import UnitOfWork, unit_of_work

PLAIN_FIELDS = ("slug", "name", "description", "brand", "seo_title", "seo_description")


class ProductNotFound(NotFound):
    code = "product_not_found"


class ProductOutdated(DomainError):
    """Somebody changed the product meanwhile; ``version`` is the present one."""

    code = "precondition_failed"
    kind = Kind.PRECONDITION_FAILED


@dataclass(frozen=True, kw_only=True)
class NewVariant:
    sku: str
    price: Money
    options: dict[str, str] = field(default_factory=dict)
    compare_at_price: Money | None = None
    weight_grams: int = 0
    length_mm: int = 0
    width_mm: int = 0
    height_mm: int = 0
    barcode: str = ""
    active: bool = True


@dataclass(frozen=True, kw_only=True)
class Picture:
    """An image; ``path`` is relative to the media folder, or a whole URL."""

    path: str
    alt: str = ""


@dataclass(frozen=True, kw_only=True)
class NewProduct:
    name: str
    category_id: UUID
    slug: str = ""
    description: str = ""
    brand: str = ""
    attributes: dict[str, Any] = field(default_factory=dict)
    seo_title: str = ""
    seo_description: str = ""
    on_sale: bool = False
    options: Sequence[Option] = ()
    media: Sequence[Picture] = ()
    variants: Sequence[NewVariant] = ()


def create_product(*, product: NewProduct, now: datetime) -> Product:
    """Create a product with its options, images and variants; stock starts at zero.

    Raises:
        CategoryNotFound, InvalidAttributes, InvalidOptions, SlugTaken, SkuTaken, OptionsTaken
    """
    check_options(product.options)
    for variant in product.variants:
        check_choice(variant.options, product.options)
    with explained(), unit_of_work("catalog") as work:
        hold_category(product.category_id)
        check_attributes(product.attributes, definitions())
        row = Product(
            **{name: getattr(product, name) for name in PLAIN_FIELDS},
            category_id=product.category_id,
            attributes=product.attributes,
            created_at=now,
        )
        row.slug = product.slug or slugify(product.name)[:200] or str(row.id)
        if product.on_sale:
            row.put_on_sale()
        row.save(force_insert=True)
        _replace_options(row, product.options)
        _replace_media(row, product.media)
        _add_variants(row, product.variants, now=now)
        announce(work, products=[row])
        refresh_products([row.id])
        return row


def change_product(*, product_id: UUID, version: int, changes: Mapping[str, Any], now: datetime) -> Product:
    """Set the given fields of a product; ``options`` and ``media`` are replaced as a whole.

    ``changes`` may hold the fields of :class:`NewProduct` except variants. ``version`` is the one the caller has seen.

    Raises:
        ProductNotFound, ProductOutdated, CategoryNotFound, InvalidAttributes, InvalidOptions, SlugTaken
    """
    with explained(), unit_of_work("catalog") as work:
        if "category_id" in changes:
            hold_category(changes["category_id"])
        product = locked_product(product_id, version=version)
        _apply(product, changes)
        product.touch()
        product.save()
        if "options" in changes:
            _replace_options(product, changes["options"])
            check_variants(product)
        if "media" in changes:
            _replace_media(product, changes["media"])
        announce(work, products=[product])
        refresh_products([product.id])
        if changes.get("on_sale"):
            tell_who_waits(work, products=[product.id], now=now)
        return product


def remove_products(*, ids: Sequence[UUID], now: datetime) -> int:
    """Delete products softly, with their variants; return how many were there. Stock and history stay."""
    with unit_of_work("catalog") as work:
        products = list(
            Product.objects.select_for_update(no_key=True).filter(id__in=ids, deleted_at__isnull=True).order_by("id")
        )
        found = [product.id for product in products]
        for product in products:
            product.remove(now=now)
            product.touch()
        Product.objects.bulk_update(products, ["deleted_at", "version"])
        Variant.objects.filter(product__in=found, deleted_at__isnull=True).update(deleted_at=now)
        announce(work, products=products)
        refresh_products(found)
    return len(found)


def put_on_sale(*, ids: Sequence[UUID], on_sale: bool, now: datetime) -> int:
    """Show products in the shop, and tell who waits for them, or hide them; return how many were there."""
    with unit_of_work("catalog") as work:
        products = list(
            Product.objects.select_for_update(no_key=True).filter(id__in=ids, deleted_at__isnull=True).order_by("id")
        )
        for product in products:
            if on_sale:
                product.put_on_sale()
            else:
                product.withdraw()
            product.touch()
        Product.objects.bulk_update(products, ["status", "version"])
        announce(work, products=products)
        found = [product.id for product in products]
        refresh_products(found)
        if on_sale:
            tell_who_waits(work, products=found, now=now)
    return len(products)


def show_product(*, product_id: UUID) -> None:
    """Show a product as it is, after a change that bypassed the application. Idempotent."""
    with unit_of_work("catalog"):
        refresh_products([product_id])


def announce(work: UnitOfWork, *, products: Iterable[Product]) -> None:
    """Publish products that are new or have a new version; call it once per action."""
    for product in products:
        event = ProductChanged(
            product_id=product.id,
            product_name=product.name,
            product_slug=product.slug,
            category_id=product.category_id,
            on_sale=product.status == ProductStatus.ACTIVE and not product.is_removed,
            removed=product.is_removed,
        )
        work.publish(event, subject=product.id, version=product.version)


def locked_version(product_id: UUID, *, seen: str) -> int:
    """Lock a product, removed or not, and return its version.

    Raises:
        ProductOutdated: its state is not the one ``seen``; see :func:`state_of`.
    """
    product = Product.objects.select_for_update(no_key=True).get(id=product_id)
    if state_of(product) != seen:
        detail = "O produto mudou desde que a página foi aberta. Nada foi salvo: confira os dados atuais."
        raise ProductOutdated(detail, version=product.version)
    return product.version


def check_variants(product: Product) -> None:
    """Refuse options that do not fit each other, or a variant that does not fit them; call it in a unit of work.

    Raises:
        InvalidOptions
    """
    options = options_of(product)
    check_options(options)
    for chosen in Variant.objects.filter(product=product, deleted_at__isnull=True).values_list("options", flat=True):
        check_choice(chosen, options)


def locked_product(product_id: UUID, *, version: int | None = None) -> Product:
    """Lock a product that is not removed and return it.

    Raises:
        ProductNotFound
        ProductOutdated: it is not at ``version``, when given.
    """
    rows = Product.objects.select_for_update(no_key=True)
    product = rows.filter(id=product_id, deleted_at__isnull=True).first()
    if product is None:
        raise ProductNotFound("O produto não existe.")
    if version not in (None, product.version):
        raise ProductOutdated("O produto mudou desde a versão informada.", version=product.version)
    return product


def definitions() -> list[Definition]:
    """Return what attributes may hold."""
    rows = AttributeDefinition.objects.values_list("code", "type", "choices")
    return [Definition(code, type_, tuple(choices)) for code, type_, choices in rows]


def options_of(product: Product) -> list[Option]:
    """Return the options of a product, in display order."""
    rows = ProductOption.objects.filter(product=product).order_by("position", "name")
    return [Option(name=row.name, values=tuple(row.values)) for row in rows]


def _apply(product: Product, changes: Mapping[str, Any]) -> None:
    for name in PLAIN_FIELDS:
        if name in changes:
            setattr(product, name, changes[name])
    if "category_id" in changes:
        product.category_id = changes["category_id"]
    if "attributes" in changes:
        check_attributes(changes["attributes"], definitions())
        product.attributes = changes["attributes"]
    if "on_sale" in changes:
        if changes["on_sale"]:
            product.put_on_sale()
        else:
            product.withdraw()


def _replace_options(product: Product, options: Sequence[Option]) -> None:
    ProductOption.objects.filter(product=product).delete()
    ProductOption.objects.bulk_create(
        ProductOption(product=product, name=option.name, values=list(option.values), position=position)
        for position, option in enumerate(options)
    )


def _replace_media(product: Product, media: Sequence[Picture]) -> None:
    Media.objects.filter(product=product).delete()
    Media.objects.bulk_create(
        Media(product=product, path=picture.path, alt=picture.alt, position=position)
        for position, picture in enumerate(media)
    )


def _add_variants(product: Product, variants: Sequence[NewVariant], *, now: datetime) -> None:
    rows = [
        new_variant(product, variant=variant, position=position, now=now) for position, variant in enumerate(variants)
    ]
    Variant.objects.bulk_create(rows)
    Stock.objects.bulk_create(Stock(variant=row) for row in rows)


def new_variant(product: Product, *, variant: NewVariant, position: int, now: datetime) -> Variant:
    """Return an unsaved variant of ``product``."""
    return Variant(
        product=product,
        sku=variant.sku,
        options=variant.options,
        price=variant.price.amount,
        currency=variant.price.currency,
        compare_at_price=variant.compare_at_price.amount if variant.compare_at_price else None,
        weight_grams=variant.weight_grams,
        length_mm=variant.length_mm,
        width_mm=variant.width_mm,
        height_mm=variant.height_mm,
        barcode=variant.barcode,
        active=variant.active,
        position=position,
        created_at=now,
    )
