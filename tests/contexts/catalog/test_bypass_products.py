"""Products that change without the application: each new version is told once, whoever made it."""

from __future__ import annotations

import io
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta

import pytest

from contexts.catalog.domain.imports import read_products
from contexts.catalog.events import ProductChanged
from contexts.catalog.interface import StockLine
from contexts.catalog.models import Product, ProductCatalog, ReviewStatus, Variant
from contexts.catalog.usecases.imports import import_catalog
from contexts.catalog.usecases.prices import change_price
from contexts.catalog.usecases.products import (
    NewProduct,
    NewVariant,
    change_product,
    create_product,
    put_on_sale,
    remove_products,
)
from contexts.catalog.usecases.reservations import cancel_stock, commit_stock, reserve_stock
from contexts.catalog.usecases.reviews import moderate_reviews
from contexts.catalog.usecases.variants import add_variant, change_variant, remove_variant
from ecommerce.ids import new_id
from ecommerce.messaging.envelope import Envelope
from ecommerce.outbox.append import partition_of
from ecommerce.outbox.models import OutboxEvent
from ecommerce.testing import deliver, drain, published
from ecommerce.unit_of_work import unit_of_work
from tests.contexts.catalog.factories import NOON, CategoryFactory, ReviewFactory, brl, on_sale
from tests.contexts.catalog.psql import outbox, run, run_as_administrator, told

pytestmark = pytest.mark.django_db(databases=["catalog"], transaction=True)

INSERT = """
    INSERT INTO products (id, slug, name, description, brand, category_id, attributes, seo_title, seo_description,
                          status, version, created_at)
    VALUES (%s, 'caneca', 'Caneca', '', '', %s, '{}', '', '', 'active', 1, now())
"""


def load(name: str) -> None:
    text = (
        f"handle,name,category,option1_name,option1_value,sku,price,stock\ncaneca,{name},Casa,Tamanho,M,CAN-1,25.00,7\n"
    )
    import_catalog(products=read_products(io.StringIO(text)), actor_id=None, now=NOON)


def rename(variant: Variant) -> None:
    change_product(product_id=variant.product_id, version=1, changes={"name": "Outro"}, now=NOON)


ACTIONS: dict[str, Callable[[Variant], object]] = {
    "change": rename,
    "withdraw": lambda variant: put_on_sale(ids=[variant.product_id], on_sale=False, now=NOON),
    "remove": lambda variant: remove_products(ids=[variant.product_id], now=NOON),
    "import": lambda variant: load("Caneca grande"),
    "add variant": lambda variant: add_variant(
        product_id=variant.product_id, variant=NewVariant(sku="NOVA", price=brl("5.00")), now=NOON
    ),
    "change variant": lambda variant: change_variant(variant_id=variant.pk, changes={"weight_grams": 5}),
    "remove variant": lambda variant: remove_variant(variant_id=variant.pk, now=NOON),
}


def test_a_bulk_update_is_one_event_for_each_row_that_changed() -> None:
    variants = [on_sale(brand="Velha") for _ in range(3)] + [on_sale(brand="Ipê")]
    run("UPDATE products SET brand = 'Ipê'")
    assert {row.aggregate_id for row in outbox("product")} == {str(variant.product_id) for variant in variants[:3]}
    assert told("product") == [(2, "trigger")] * 3
    assert sorted(Product.objects.values_list("version", flat=True)) == [1, 2, 2, 2]


@pytest.mark.parametrize("action", ACTIONS)
def test_the_same_change_through_the_application_is_one_event_not_two(action: str) -> None:
    variant = on_sale(slug="caneca")
    ACTIONS[action](variant)
    assert told("product") == [(2, "app")]


def test_what_both_ways_tell_is_the_same() -> None:
    """The event's schema stands in SQL a second time."""
    product = on_sale(name="Caneca").product
    put_on_sale(ids=[product.pk], on_sale=False, now=NOON)
    run("UPDATE products SET status = 'active'")
    run("UPDATE products SET status = 'draft'")
    put_on_sale(ids=[product.pk], on_sale=True, now=NOON)
    run("UPDATE products SET deleted_at = now()")
    run("UPDATE products SET deleted_at = NULL")
    remove_products(ids=[product.pk], now=NOON)
    made, hidden, shown, hidden_again, shown_again, removed, back, removed_again = published("catalog", ProductChanged)
    assert made == shown == shown_again == back
    assert hidden == hidden_again
    assert removed == removed_again
    assert [(each.on_sale, each.removed) for each in (shown, hidden, removed)] == [
        (True, False), (False, False), (False, True),
    ]  # fmt: skip
    assert (shown.product_id, shown.product_name, shown.product_slug) == (product.pk, "Caneca", product.slug)
    assert shown.category_id == product.category_id


def test_new_products_are_announced_once_whoever_makes_them() -> None:
    category = CategoryFactory.create()
    create_product(product=NewProduct(name="Camiseta", category_id=category.pk), now=NOON)
    load("Caneca")
    run(INSERT.replace("'caneca'", "'copo'"), new_id(), category.pk)
    rows = OutboxEvent.objects.using("catalog").filter(event_type=ProductChanged.type).order_by("id")
    assert [(row.payload["product_slug"], row.aggregate_version, row.origin) for row in rows] == [
        ("camiseta", 1, "app"), ("caneca", 1, "app"), ("copo", 1, "trigger"),
    ]  # fmt: skip


def test_what_is_gone_before_the_commit_is_not_announced() -> None:
    category, product_id = CategoryFactory.create(), new_id()
    with unit_of_work("catalog"):
        run(INSERT, product_id, category.pk)
        run("DELETE FROM products WHERE id = %s", product_id)
    assert not OutboxEvent.objects.using("catalog").exists()


def test_a_bypass_within_a_unit_of_work_is_published_as_well() -> None:
    on_sale()
    with unit_of_work("catalog"):
        Product.objects.update(name="Outro")
    assert told("product") == [(2, "trigger")]


def test_what_is_rolled_back_is_not_published() -> None:
    on_sale(name="Caneca")
    with suppress(RuntimeError), unit_of_work("catalog"):
        run("UPDATE products SET name = 'Copo'")
        raise RuntimeError
    assert told("product") == []
    assert Product.objects.get().name == "Caneca"


def test_versions_of_both_ways_follow_one_another() -> None:
    product = on_sale().product
    run("UPDATE products SET name = 'Copo'")
    put_on_sale(ids=[product.pk], on_sale=False, now=NOON)
    run("UPDATE products SET name = 'Taça'")
    product.save()
    assert told("product") == [(2, "trigger"), (3, "app"), (4, "trigger"), (5, "trigger")]


def test_what_says_the_same_publishes_nothing() -> None:
    on_sale(name="Caneca")
    drain("catalog")
    run("UPDATE products SET name = 'Caneca', status = 'active'")
    assert drain("catalog") == 0
    assert Product.objects.get().version == 1


def test_sales_reviews_and_prices_are_no_changes_of_the_product() -> None:
    variant, order_id = on_sale(stock=1), new_id()
    drain("catalog")
    line = StockLine(variant_id=variant.pk, quantity=1)
    reserve_stock(reservation_id=order_id, lines=[line], expires_at=NOON + timedelta(hours=1), now=NOON)
    commit_stock(reservation_id=order_id, lines=[line], now=NOON)
    cancel_stock(reservation_id=order_id, now=NOON)
    change_price(variant_id=variant.pk, price=brl("12.00"), actor_id=None, now=NOON)
    review = ReviewFactory.create(product=variant.product, status=ReviewStatus.PENDING)
    moderate_reviews(ids=[review.pk], approve=True, by=None, now=NOON)
    assert not OutboxEvent.objects.using("catalog").filter(aggregate_type="product").exists()


def test_the_envelope_is_one_that_subscribers_read() -> None:
    product = on_sale().product
    run("UPDATE products SET name = 'Copo'")
    (row,) = outbox("product")
    envelope = Envelope.from_headers(row.headers)
    assert (envelope.id, envelope.type, envelope.sequence) == (row.event_id, ProductChanged.type, 2)
    assert (envelope.subject, envelope.partitionkey) == (str(product.pk), str(product.pk))
    assert envelope.actor == "database:catalog_service"
    assert row.partition_no == partition_of(product.pk)


def test_it_does_not_matter_who_makes_the_change() -> None:
    product = on_sale().product
    run_as_administrator("UPDATE catalog_service.products SET name = 'Copo'")
    (row,) = outbox("product")
    assert (row.origin, row.aggregate_id, row.headers["cloudEvents_actor"]) == (
        "trigger", str(product.pk), "database:postgres",
    )  # fmt: skip


def test_the_shop_shows_a_product_that_bypassed_it() -> None:
    on_sale(name="Caneca")
    run("UPDATE products SET name = 'Copo'")
    assert "Copo" not in ProductCatalog.objects.get().document
    drain("catalog")
    assert "Copo" in ProductCatalog.objects.get().document
    run("UPDATE products SET deleted_at = now()")
    drain("catalog")
    assert not ProductCatalog.objects.exists()


def test_the_shop_shows_a_product_that_was_loaded_without_it() -> None:
    category, product_id, variant_id = CategoryFactory.create(), new_id(), new_id()
    with unit_of_work("catalog"):
        run(INSERT, product_id, category.pk)
        run(
            "INSERT INTO variants (id, product_id, sku, options, price, currency, weight_grams, length_mm, width_mm,"
            " height_mm, barcode, position, active, version, created_at)"
            " VALUES (%s, %s, 'CAN', '{}', 9.90, 'BRL', 0, 0, 0, 0, '', 0, true, 1, now())",
            variant_id, product_id,
        )  # fmt: skip
        run("INSERT INTO stock (variant_id, on_hand, reserved) VALUES (%s, 4, 0)", variant_id)
    drain("catalog")
    row = ProductCatalog.objects.get()
    assert (row.slug, row.available) == ("caneca", True)


def test_what_the_application_changed_is_shown_already(statements) -> None:
    put_on_sale(ids=[on_sale().product_id], on_sale=False, now=NOON)
    (event,) = published("catalog", ProductChanged)[1:]
    with statements("catalog") as executed:
        assert deliver(event, to="catalog") == {"catalog.show_product_that_bypassed_us": "ignored"}
    assert not [sql for sql in executed if "product_catalog" in sql]
