from __future__ import annotations

import io
import re
from datetime import timedelta
from decimal import Decimal
from functools import partial

import pytest
from django.contrib.admin import site
from django.db import OperationalError, connections, transaction
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from contexts.catalog.admin import products
from contexts.catalog.domain.imports import read_products
from contexts.catalog.events import VariantPriceChanged
from contexts.catalog.interface import StockLine
from contexts.catalog.models import (
    Category,
    Favourite,
    MovementKind,
    PriceChange,
    Product,
    ProductCatalog,
    ProductStatus,
    Review,
    ReviewStatus,
    Stock,
    StockAlert,
    StockMovement,
    StockReservation,
    Variant,
    VerifiedPurchase,
)
from contexts.catalog.usecases.imports import import_catalog
from contexts.catalog.usecases.prices import change_price
from contexts.catalog.usecases.products import remove_products
from contexts.catalog.usecases.reservations import reserve_stock
from contexts.catalog.usecases.stock import StockEntry, record_stock
from contexts.catalog.usecases.variants import change_variant, remove_variant
from contexts.identity.models import User
from ecommerce.ids import new_id
from ecommerce.outbox.models import OutboxEvent
from ecommerce.testing import published
from tests.contexts.catalog.factories import (
    NOON,
    CategoryFactory,
    ProductFactory,
    ReviewFactory,
    brl,
    on_sale,
    variant_of,
)

pytestmark = pytest.mark.django_db(databases=["catalog", "identity"])


@pytest.fixture
def office(client):
    client.force_login(User.objects.create_superuser(email="chefe@example.com", password="senha-de-teste-1"))
    return client


def page(model, name="changelist", *args):
    return reverse(f"admin:catalog_{model._meta.model_name}_{name}", args=args)


def run(office, model, action, *rows):
    data = {"action": action, "_selected_action": [str(row.pk) for row in rows]}
    return office.post(page(model), data, follow=True)


def one_of_each():
    variant = on_sale(stock=5)
    ReviewFactory.create(product=variant.product)
    lines = [StockLine(variant_id=variant.pk, quantity=1)]
    reserve_stock(reservation_id=new_id(), lines=lines, expires_at=NOON + timedelta(hours=1), now=NOON)
    PriceChange.objects.create(variant=variant, old_price=1, new_price=2, changed_at=NOON)
    Favourite.objects.create(product=variant.product, customer_id=new_id(), created_at=NOON)
    StockAlert.objects.create(variant=variant, customer_id=new_id(), created_at=NOON)
    VerifiedPurchase.objects.create(
        product_id=variant.product_id, customer_id=new_id(), order_id=new_id(), delivered_at=NOON
    )


LISTS = [
    Product, Variant, Category, Stock, StockMovement, StockReservation, Review, PriceChange, Favourite, StockAlert,
    VerifiedPurchase,
]  # fmt: skip


@pytest.mark.parametrize("model", LISTS)
def test_a_list_costs_the_same_however_long(office, model):
    counts = []
    for number in (2, 6):
        for _ in range(number):
            one_of_each()
        with CaptureQueriesContext(connections["catalog"]) as executed:
            assert office.get(page(model)).status_code == 200
        counts.append(len(executed))
    assert counts[0] == counts[1] > 0


def test_a_products_page_costs_the_same_however_many_variants(office):
    product = on_sale().product
    counts = []
    for number in (2, 8):
        for _ in range(number):
            variant_of(product)
        with CaptureQueriesContext(connections["catalog"]) as executed:
            assert office.get(page(Product, "change", product.pk)).status_code == 200
        counts.append(len(executed))
    assert counts[0] == counts[1]


def product_form(office, product, variants, **changes):
    """What a browser that opens the page now will send: the product, its variants, no options and no images."""
    opened = office.get(page(Product, "change", product.pk)).content.decode()
    data = {
        **dict(re.findall(r'<input type="hidden" name="(seen)" value="([^"]*)"', opened)),
        "name": product.name, "slug": product.slug, "brand": product.brand, "category": str(product.category_id),
        "description": "", "attributes": "{}", "seo_title": "", "seo_description": "",
        "variants-TOTAL_FORMS": len(variants), "variants-INITIAL_FORMS": sum(bool(row.get("id")) for row in variants),
        "options-TOTAL_FORMS": 0, "options-INITIAL_FORMS": 0, "media-TOTAL_FORMS": 0, "media-INITIAL_FORMS": 0,
        **changes,
    }  # fmt: skip
    for number, row in enumerate(variants):
        data |= {f"variants-{number}-{name}": value for name, value in row.items()}
    return data


def variant_row(variant, **changes):
    return {
        "id": str(variant.pk), "product": str(variant.product_id), "sku": variant.sku, "options": "{}",
        "price": str(variant.price), "weight_grams": 0, "position": 0, "active": "on", **changes,
    }  # fmt: skip


def without_options(**fields):
    variant = on_sale(**fields)
    Variant.objects.update(options={})
    return variant


def told_of_products(product):
    """Return version and origin of what was published of a product, by now and at the commit."""
    with connections["catalog"].cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
    rows = OutboxEvent.objects.using("catalog").filter(aggregate_type="product", aggregate_id=str(product.pk))
    return list(rows.order_by("aggregate_version").values_list("aggregate_version", "origin"))


def test_a_price_typed_into_the_page_is_remembered_published_and_shown(office):
    variant = without_options(price="10.00")
    data = product_form(office, variant.product, [variant_row(variant, price="12.50")], brand="Ipê")
    response = office.post(page(Product, "change", variant.product_id), data)
    assert response.status_code == 302, response.context["errors"]
    assert PriceChange.objects.get().changed_by == User.objects.get().pk
    assert [event.new_price.amount for event in published("catalog", VariantPriceChanged)] == [Decimal("12.50")]
    row = ProductCatalog.objects.get()
    assert (row.brand, row.price_min) == ("Ipê", Decimal("12.50"))
    assert told_of_products(variant.product) == [(1, "trigger"), (2, "app")]


def test_a_new_product_is_published_from_its_page(office):
    data = product_form(office, ProductFactory.build(category=CategoryFactory.create()), [])
    response = office.post(page(Product, "add"), data)
    assert response.status_code == 302, response.context["errors"]
    assert told_of_products(Product.objects.get()) == [(1, "app")]


def import_weight(variant):
    """A row without a name changes the variant, and no version."""
    row = f"{variant.product.slug},,{variant.sku},{variant.price},750"
    text = f"handle,name,sku,price,weight_grams\n{row}\n"
    assert not import_catalog(products=read_products(io.StringIO(text)), actor_id=None, now=NOON).rejected


@pytest.mark.parametrize(
    "meanwhile",
    [
        lambda variant: change_price(variant_id=variant.pk, price=brl("12.00"), actor_id=None, now=NOON),
        lambda variant: change_variant(variant_id=variant.pk, changes={"active": False}),
        lambda variant: remove_variant(variant_id=variant.pk, now=NOON),
        lambda variant: remove_products(ids=[variant.product_id], now=NOON),
        lambda variant: variant.product.media.create(path="https://x/1.jpg"),
        import_weight,
    ],
    ids=["price", "variant", "variant removed", "product removed", "image", "import"],
)
def test_a_page_of_a_product_that_changed_meanwhile_saves_nothing(office, meanwhile):
    variant = without_options(price="10.00")
    data = product_form(office, variant.product, [variant_row(variant)], brand="Ipê")
    meanwhile(variant)
    before = [list(model.objects.values()) for model in (Product, Variant, PriceChange)]
    events = len(published("catalog"))
    response = office.post(page(Product, "change", variant.product_id), data, follow=True)
    assert [list(model.objects.values()) for model in (Product, Variant, PriceChange)] == before
    assert len(published("catalog")) == events
    assert "O produto mudou desde que a página foi aberta" in response.content.decode()


@pytest.mark.django_db(databases=["catalog", "identity"], transaction=True)
def test_a_variant_removed_while_the_page_waits_for_the_product_stays_removed(office, together, monkeypatch):
    variant = without_options()
    data = product_form(office, variant.product, [variant_row(variant, position=3)])
    remove = partial(remove_variant, variant_id=variant.pk, now=NOON)
    monkeypatch.setattr(products, "hold_category", lambda _: together([remove]))
    response = office.post(page(Product, "change", variant.product_id), data, follow=True)
    assert Variant.objects.values_list("deleted_at", "version", "position").get() == (NOON, 2, 0)
    assert "O produto mudou desde que a página foi aberta" in response.content.decode()


@pytest.mark.django_db(databases=["catalog", "identity"], transaction=True)
def test_a_variant_counts_on_from_a_version_that_stock_raised_while_the_page_waits(office, together, monkeypatch):
    variant = without_options(stock=0)
    StockAlert.objects.create(variant=variant, customer_id=new_id(), created_at=NOON)
    data = product_form(office, variant.product, [variant_row(variant, position=3)])
    receipt = StockEntry(variant_id=variant.pk, kind=MovementKind.RECEIVE, quantity=5)
    receive = partial(record_stock, entries=[receipt], reason="NF 9", actor_id=None, now=NOON)
    monkeypatch.setattr(products, "hold_category", lambda _: together([receive]))
    assert office.post(page(Product, "change", variant.product_id), data).status_code == 302
    assert Variant.objects.values_list("version", "position").get() == (3, 3)


def test_a_page_opened_again_saves_again_and_stock_that_moves_meanwhile_is_no_change(office):
    variant = without_options(stock=0)
    StockAlert.objects.create(variant=variant, customer_id=new_id(), created_at=NOON)
    receipt = StockEntry(variant_id=variant.pk, kind=MovementKind.RECEIVE, quantity=5)
    for number, brand in enumerate(("Ipê", "Jatobá"), start=1):
        data = product_form(office, variant.product, [variant_row(variant, position=number)], brand=brand)
        record_stock(entries=[receipt], reason="NF 9", actor_id=None, now=NOON)
        assert office.post(page(Product, "change", variant.product_id), data).status_code == 302
        assert Product.objects.get().brand == brand
    assert Variant.objects.get().position == 2
    assert told_of_products(variant.product) == [(1, "trigger"), (2, "app"), (3, "app")]


def test_a_variant_added_on_the_page_has_an_empty_stock(office):
    product = ProductFactory.create()
    data = product_form(
        office,
        product,
        [{"sku": "NOVO", "options": "{}", "price": "5.00", "weight_grams": 0, "position": 0, "active": "on"}],
    )
    response = office.post(page(Product, "change", product.pk), data)
    assert response.status_code == 302, response.context["errors"]
    assert Stock.objects.get(variant__sku="NOVO").on_hand == 0


def test_options_that_do_not_fit_are_refused_with_a_message(office):
    variant = on_sale()
    data = product_form(office, variant.product, [variant_row(variant, options='{"Cor": "Azul"}')], brand="Ipê")
    response = office.post(page(Product, "change", variant.product_id), data, follow=True)
    assert "A variante deve definir" in response.content.decode()
    assert Product.objects.get().brand == ""


def test_products_are_shown_hidden_and_removed_by_actions(office):
    product = on_sale().product
    run(office, Product, "hide_products", product)
    assert Product.objects.get().status == ProductStatus.DRAFT
    run(office, Product, "show_products", product)
    assert ProductCatalog.objects.exists()
    run(office, Product, "remove_products", product)
    assert Product.objects.get().is_removed
    assert not ProductCatalog.objects.exists()
    assert product.name not in office.get(page(Product)).content.decode()
    assert product.name in office.get(page(Product), {"removed": "1"}).content.decode()


def test_a_category_moves_with_its_products(office):
    home, fashion = CategoryFactory.create(slug="casa"), CategoryFactory.create(slug="moda")
    shirts = CategoryFactory.create(name="Camisetas", slug="camisetas", parent=home)
    on_sale(category=shirts)
    data = {"name": "Camisetas", "slug": "camisetas", "parent": str(fashion.pk), "position": 0}
    assert office.post(page(Category, "change", shirts.pk), data).status_code == 302
    assert ProductCatalog.objects.get().category_slugs == ["moda", "camisetas"]
    data = {"name": "Moda", "slug": "moda", "parent": str(shirts.pk), "position": 0}
    response = office.post(page(Category, "change", fashion.pk), data, follow=True)
    assert "abaixo de si mesma" in response.content.decode()


def test_goods_are_booked_as_movements(office):
    variant = on_sale(stock=0)
    data = {"variant": str(variant.pk), "kind": "receive", "quantity": 7, "reason": "NF 9"}
    assert office.post(page(StockMovement, "add"), data).status_code == 302
    assert Stock.objects.get().on_hand == 7
    movement = StockMovement.objects.get()
    assert (movement.reason, movement.actor_id) == ("NF 9", User.objects.get().pk)
    assert ProductCatalog.objects.get().available
    assert "NF 9" in office.get(page(Stock, "change", variant.pk)).content.decode()
    data = {"variant": str(variant.pk), "kind": "adjust", "quantity": -8, "reason": ""}
    response = office.post(page(StockMovement, "add"), data, follow=True)
    assert "menos peças" in response.content.decode()


def test_reviews_are_moderated_by_actions(office):
    review = ReviewFactory.create(product=on_sale().product, status=ReviewStatus.PENDING)
    run(office, Review, "approve", review)
    review.refresh_from_db()
    assert (review.status, review.moderated_by) == (ReviewStatus.APPROVED, User.objects.get().pk)
    assert ProductCatalog.objects.get().rating_count == 1
    run(office, Review, "reject", review)
    assert ProductCatalog.objects.get().rating_count == 0


def test_a_reservation_is_released_by_an_action(office):
    one_of_each()
    run(office, StockReservation, "release", StockReservation.objects.get())
    assert Stock.objects.get().reserved == 0


@pytest.mark.parametrize("model", [Variant, Stock, StockReservation, Review, PriceChange])
def test_what_use_cases_write_cannot_be_edited(rf, office, model):
    request = rf.get("/")
    request.user = User.objects.get()
    admin = site.get_model_admin(model)
    assert not admin.has_add_permission(request)
    assert not admin.has_change_permission(request)
    assert not admin.has_delete_permission(request)


@pytest.mark.django_db(databases=["catalog", "identity"], transaction=True)
def test_a_category_is_locked_before_its_page_is_saved(office, together, monkeypatch):
    """Otherwise the columns that the page had read before would undo what somebody else changed."""
    category, place, found = CategoryFactory.create(name="Moda", slug="moda"), products.place_category, []

    def take():
        with transaction.atomic(using="catalog"):
            return Category.objects.select_for_update(nowait=True).get(pk=category.pk)

    def place_after_somebody_tried(*args, **kwargs):
        found.extend(together([take]))
        place(*args, **kwargs)

    monkeypatch.setattr(products, "place_category", place_after_somebody_tried)
    data = {"name": "Modas", "slug": "moda", "parent": "", "position": 0}
    assert office.post(page(Category, "change", category.pk), data).status_code == 302
    assert [type(error) for error in found] == [OperationalError]
    assert Category.objects.get().name == "Modas"


def test_a_state_is_shown_in_words(office):
    variant = on_sale()
    shown = office.get(page(Product, "change", variant.product_id)).content.decode()
    assert "à venda" in shown
    assert "&#x27;active&#x27;" not in shown
