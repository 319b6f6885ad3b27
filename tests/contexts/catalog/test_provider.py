from __future__ import annotations

from datetime import timedelta

import pytest

from contexts.catalog.interface import CatalogInterface, OutOfStock, StockLine, Variant
from contexts.catalog.models import ProductOption, Stock, StockReservation
from ecommerce.calls import CallInTransaction, connect
from ecommerce.clock import now
from ecommerce.ids import new_id
from ecommerce.unit_of_work import unit_of_work
from tests.contexts.catalog.factories import CategoryFactory, ProductFactory, brl, on_sale, picture_of, variant_of

pytestmark = pytest.mark.django_db(databases=["catalog"])
catalog = connect(CatalogInterface)


@pytest.fixture(autouse=True, params=[False, True], ids=["local", "over the wire"])
def shape(request, settings):
    settings.CALLS_ROUND_TRIP = request.param


def test_a_variant_is_described_as_it_is_now(settings):
    home = CategoryFactory.create()
    kitchen = CategoryFactory.create(parent=home)
    product = ProductFactory.create(name="Panela", slug="panela", category=kitchen)
    ProductOption.objects.create(product=product, name="Cor", values=["Azul"])
    picture_of(product, "catalog/panela.svg")
    pot = variant_of(product, price="99.90", stock=5, sku="PAN-1", options={"Cor": "Azul"}, weight_grams=900)
    Stock.objects.update(reserved=2)
    assert catalog.get_variants(ids=[pot.pk]) == [
        Variant(
            id=pot.pk, product_id=product.pk, sku="PAN-1", product_name="Panela", product_slug="panela",
            options={"Cor": "Azul"}, price=brl("99.90"), weight_grams=900, category_ids=[home.pk, kitchen.pk],
            available=3, on_sale=True, image_url=f"{settings.MEDIA_URL}catalog/panela.svg",
        )
    ]  # fmt: skip


def test_what_is_not_sold_any_more_is_told_apart_from_what_is_gone():
    hidden, inactive, removed, gone = on_sale(), on_sale(), on_sale(), on_sale()
    hidden.product.withdraw()
    hidden.product.save()
    inactive.active = False
    inactive.save()
    removed.remove(now=now())
    removed.save()
    gone.product.remove(now=now())
    gone.product.save()
    found = catalog.get_variants(ids=[hidden.pk, inactive.pk, removed.pk, gone.pk, new_id()])
    assert {variant.id: variant.on_sale for variant in found} == {hidden.pk: False, inactive.pk: False}


@pytest.mark.parametrize("number", [0, 1, 20])
def test_any_number_of_variants_is_one_statement(statements, number):
    ids = [on_sale().pk for _ in range(number)]
    with statements() as executed:
        assert len(catalog.get_variants(ids=ids)) == number
    assert len(executed) == min(number, 1)


def test_stock_is_reserved_and_released_through_the_door():
    shirt, reservation_id = on_sale(stock=1), new_id()
    lines = [StockLine(variant_id=shirt.pk, quantity=1)]
    expires_at = now() + timedelta(minutes=15)
    catalog.reserve_stock(reservation_id=reservation_id, lines=lines, expires_at=expires_at)
    with pytest.raises(OutOfStock):
        catalog.reserve_stock(reservation_id=new_id(), lines=lines, expires_at=expires_at)
    assert StockReservation.objects.get().expires_at == expires_at
    catalog.renew_stock(reservation_id=reservation_id, lines=lines, expires_at=expires_at + timedelta(hours=1))
    assert StockReservation.objects.get().expires_at == expires_at + timedelta(hours=1)
    catalog.release_stock(reservation_id=reservation_id)
    assert Stock.objects.get().reserved == 0


def test_nobody_calls_inside_a_transaction():
    with unit_of_work("catalog"), pytest.raises(CallInTransaction):
        catalog.get_variants(ids=[])
