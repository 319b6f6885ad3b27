from __future__ import annotations

import contextlib
import json
import random
import threading
from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import connections

from contexts.catalog.interface import OutOfStock, StockLine
from contexts.catalog.models import (
    AttributeDefinition,
    Category,
    MovementKind,
    Product,
    ProductCatalog,
    ProductOption,
    ReviewStatus,
    StockReservation,
    Variant,
)
from contexts.catalog.queries.sql import fetch
from contexts.catalog.usecases import products, reservations, variants
from contexts.catalog.usecases.categories import move_category
from contexts.catalog.usecases.prices import NewPrice, change_prices
from contexts.catalog.usecases.products import change_product, put_on_sale, remove_products
from contexts.catalog.usecases.read_model import rebuild_catalog, refresh_best_sellers
from contexts.catalog.usecases.reviews import moderate_reviews
from contexts.catalog.usecases.stock import StockEntry, record_stock
from ecommerce.ids import new_id
from tests.contexts.catalog.factories import (
    NOON,
    CategoryFactory,
    ProductFactory,
    ReviewFactory,
    brl,
    on_sale,
    picture_of,
    show,
    variant_of,
)

here = pytest.mark.django_db(databases=["catalog"])


def whole():
    """The read model as it is, row by row."""
    columns = [field.column for field in ProductCatalog._meta.fields]
    return fetch(f"SELECT {', '.join(columns)} FROM product_catalog ORDER BY product_id")


def rebuilt():
    ProductCatalog.objects.all().delete()
    list(rebuild_catalog(batch=7))
    return whole()


@here
def test_a_product_is_shown_with_all_that_belongs_to_it(settings):
    AttributeDefinition.objects.create(code="material", name="Material")
    fashion = CategoryFactory.create(name="Moda", slug="moda")
    shirts = CategoryFactory.create(name="Camisetas", slug="camisetas", parent=fashion)
    product = ProductFactory.create(
        name="Camiseta", slug="camiseta", brand="Ipê", category=shirts, description="De algodão.",
        attributes={"material": "Algodão"},
    )  # fmt: skip
    ProductOption.objects.create(product=product, name="Cor", values=["Azul", "Verde"])
    picture_of(product, "catalog/camiseta.svg")
    blue = variant_of(product, price="30.00", options={"Cor": "Azul"}, compare_at_price=Decimal("40.00"))
    variant_of(product, price="35.00", options={"Cor": "Verde"}, stock=0)
    ReviewFactory.create(product=product, rating=5)
    ReviewFactory.create(product=product, rating=4)
    ReviewFactory.create(product=product, rating=1, status=ReviewStatus.PENDING)
    show(product)

    row = ProductCatalog.objects.get(pk=product.pk)
    assert row.category_ids == [fashion.pk, shirts.pk]
    assert row.category_slugs == ["moda", "camisetas"]
    assert (row.price_min, row.price_max, row.available) == (Decimal(30), Decimal(35), True)
    card = json.loads(row.document)
    assert card == {
        "id": str(product.pk), "slug": "camiseta", "name": "Camiseta", "brand": "Ipê",
        "category": {"id": str(shirts.pk), "slug": "camisetas", "name": "Camisetas"},
        "price": {"amount": "30.00", "currency": "BRL"}, "price_max": {"amount": "35.00", "currency": "BRL"},
        "compare_at_price": {"amount": "40.00", "currency": "BRL"},
        "image": {"url": f"{settings.MEDIA_URL}catalog/camiseta.svg", "alt": "foto"},
        "available": True, "rating": {"average": 4.5, "count": 2}, "variant_id": None,
    }  # fmt: skip
    detail = json.loads(row.detail)
    assert {name: detail[name] for name in card} == card
    assert detail["options"] == [{"name": "Cor", "values": ["Azul", "Verde"]}]
    assert [crumb["slug"] for crumb in detail["breadcrumbs"]] == ["moda", "camisetas"]
    assert detail["attributes"] == [{"code": "material", "name": "Material", "unit": "", "value": "Algodão"}]
    assert detail["variants"][0] == {
        "id": str(blue.pk), "sku": blue.sku, "options": {"Cor": "Azul"}, "barcode": "", "weight_grams": 0,
        "price": {"amount": "30.00", "currency": "BRL"}, "compare_at_price": {"amount": "40.00", "currency": "BRL"},
    }  # fmt: skip


@here
@pytest.mark.parametrize("reason", ["draft", "removed", "no active variant"])
def test_what_is_not_on_sale_is_not_shown(reason):
    variant = on_sale()
    product = variant.product
    if reason == "draft":
        product.withdraw()
    elif reason == "removed":
        product.remove(now=NOON)
    else:
        Variant.objects.update(active=False)
    product.save()
    show(product)
    assert not ProductCatalog.objects.exists()


@here
@pytest.mark.parametrize("number", [1, 12])
def test_any_number_of_products_is_shown_by_two_statements(statements, number):
    shown = [on_sale().product for _ in range(number)]
    with statements() as executed:
        show(*shown)
    assert len(executed) == 2


@here
def test_after_random_edits_the_read_model_equals_a_rebuild():
    draw = random.Random(20260310)
    roots = [CategoryFactory.create() for _ in range(2)]
    leaves = [CategoryFactory.create(parent=root) for root in roots for _ in range(2)]
    shown = [on_sale(category=draw.choice(leaves), stock=draw.randint(0, 2)) for _ in range(20)]
    for _ in range(150):
        random_edit(draw, shown, leaves, roots)
    before = whole()
    assert before == rebuilt()
    assert len(before) > 3


def random_edit(draw, shown, leaves, roots):
    variant = draw.choice(shown)
    product = Product.objects.get(pk=variant.product_id)
    edit = draw.choice(["name", "price", "stock", "reserve", "release", "hide", "remove", "review", "move", "variant"])
    if edit == "name" and not product.is_removed:
        changes = {"name": f"Nome {draw.randint(0, 99)}", "category_id": draw.choice(leaves).pk}
        change_product(product_id=product.pk, version=product.version, changes=changes, now=NOON)
    elif edit == "price":
        amount = f"{draw.randint(1, 99)}.90"
        change_prices(prices=[NewPrice(variant_id=variant.pk, price=brl(amount))], actor_id=None, now=NOON)
    elif edit == "stock":
        entry = StockEntry(kind=MovementKind.RECEIVE, quantity=draw.randint(1, 2), variant_id=variant.pk)
        record_stock(entries=[entry], reason="", actor_id=None, now=NOON)
    elif edit == "reserve":
        reserve_or_not(variant, draw.randint(1, 3))
    elif edit == "release":
        for reservation_id in StockReservation.objects.values_list("pk", flat=True)[:2]:
            reservations.cancel_stock(reservation_id=reservation_id, now=NOON)
    elif edit == "hide":
        put_on_sale(ids=[product.pk], on_sale=draw.random() < 0.7, now=NOON)
    elif edit == "remove" and draw.random() < 0.3:
        remove_products(ids=[product.pk], now=NOON)
    elif edit == "review":
        review = ReviewFactory.create(product=product, rating=draw.randint(1, 5), status=ReviewStatus.PENDING)
        moderate_reviews(ids=[review.pk], approve=draw.random() < 0.7, by=None, now=NOON)
    elif edit == "move":
        move_category(category_id=draw.choice(leaves).pk, parent_id=draw.choice([roots[0].pk, roots[1].pk, None]))
    elif edit == "variant" and Variant.objects.filter(pk=variant.pk, deleted_at=None).exists():
        variants.change_variant(variant_id=variant.pk, changes={"active": draw.random() < 0.8})


def reserve_or_not(variant, quantity):
    with contextlib.suppress(OutOfStock, reservations.VariantUnavailable):
        reservations.reserve_stock(
            reservation_id=new_id(),
            lines=[StockLine(variant_id=variant.pk, quantity=quantity)],
            expires_at=NOON + timedelta(hours=1),
            now=NOON,
        )


@here
def test_moving_a_category_moves_what_is_below_it():
    home, fashion = CategoryFactory.create(slug="casa"), CategoryFactory.create(slug="moda")
    shirts = CategoryFactory.create(slug="camisetas", parent=home)
    basics = CategoryFactory.create(slug="basicas", parent=shirts)
    variant = on_sale(category=basics)
    move_category(category_id=shirts.pk, parent_id=fashion.pk)
    assert Category.objects.get(pk=basics.pk).ancestor_ids == [fashion.pk, shirts.pk]
    row = ProductCatalog.objects.get(pk=variant.product_id)
    assert row.category_slugs == ["moda", "camisetas", "basicas"]
    assert home.pk not in row.category_ids


@here
def test_best_sellers_count_what_was_sold_and_not_returned():
    shirt, mug = on_sale(stock=9), on_sale(stock=9)
    for variant, pieces in ((shirt, 3), (shirt, 2), (mug, 4)):
        reservations.commit_stock(
            reservation_id=new_id(), lines=[StockLine(variant_id=variant.pk, quantity=pieces)], now=NOON
        )
    reservations.cancel_stock(reservation_id=StockReservation.objects.filter(lines__variant=mug).get().pk, now=NOON)
    assert refresh_best_sellers() == 1
    assert dict(ProductCatalog.objects.values_list("pk", "sales_count")) == {shirt.product_id: 5, mug.product_id: 0}
    assert refresh_best_sellers() == 0


@pytest.mark.django_db(databases=["catalog"], transaction=True)
class TestWhileOthersWrite:
    def test_parallel_edits_of_one_product_leave_no_older_state_behind(self, together):
        variant = on_sale(stock=500)
        product_id = variant.product_id

        def rename(number):
            for turn in range(5):
                with_version(product_id, {"brand": f"Marca {number}-{turn}"})

        def reprice(number):
            for turn in range(5):
                price = NewPrice(variant_id=variant.pk, price=brl(f"{number}{turn}.50"))
                change_prices(prices=[price], actor_id=None, now=NOON)

        results = together([lambda n=n: (rename if n % 2 else reprice)(n) for n in range(1, 7)])
        assert results == [None] * 6
        row, product, now = ProductCatalog.objects.get(), Product.objects.get(), Variant.objects.get()
        assert (row.brand, row.price_min) == (product.brand, now.price)
        assert json.loads(row.detail)["version"] == product.version

    def test_a_rebuild_during_writes_ends_with_what_is_true(self, together):
        shown = [on_sale(stock=50) for _ in range(20)]
        stop = threading.Event()

        def write(seed):
            draw = random.Random(seed)
            while not stop.is_set():
                variant = draw.choice(shown)
                reserve_or_not(variant, draw.choice([1, 50]))
                price = NewPrice(variant_id=variant.pk, price=brl(f"{draw.randint(1, 99)}.00"))
                change_prices(prices=[price], actor_id=None, now=NOON)

        def rebuild():
            for _ in range(3):
                list(rebuild_catalog(batch=6))
            stop.set()

        assert together([lambda: write(1), lambda: write(2), rebuild]) == [None] * 3
        before = whole()
        assert before == rebuilt()
        connections["catalog"].close()


def with_version(product_id, changes):
    """Change a product however often somebody else does at the same time."""
    while True:
        version = Product.objects.get(pk=product_id).version
        try:
            change_product(product_id=product_id, version=version, changes=changes, now=NOON)
        except products.ProductOutdated:
            continue
        return
