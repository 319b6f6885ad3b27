from __future__ import annotations

from decimal import Decimal

import pytest

from contexts.catalog.events import VariantPriceChanged
from contexts.catalog.models import PriceChange, ProductCatalog, Variant
from contexts.catalog.usecases.prices import NewPrice, VariantNotFound, change_price, change_prices
from ecommerce.ids import new_id
from ecommerce.money import Money
from ecommerce.testing import published
from tests.contexts.catalog.factories import NOON, brl, on_sale

pytestmark = pytest.mark.django_db(databases=["catalog"])


def test_a_new_price_is_remembered_published_and_shown():
    variant, actor = on_sale(price="10.00"), new_id()
    change_price(variant_id=variant.pk, price=brl("12.50"), actor_id=actor, now=NOON)
    variant.refresh_from_db()
    assert (variant.money, variant.version) == (brl("12.50"), 2)
    history = PriceChange.objects.get()
    assert (history.old_price, history.new_price) == (brl("10.00").amount, brl("12.50").amount)
    assert (history.changed_at, history.changed_by) == (NOON, actor)
    (event,) = published("catalog", VariantPriceChanged)
    assert (event.variant_id, event.old_price, event.new_price) == (variant.pk, brl("10.00"), brl("12.50"))
    assert '"amount": "12.50"' in ProductCatalog.objects.get().document


def test_the_same_price_again_is_no_change():
    variant = on_sale(price="10.00")
    change_price(variant_id=variant.pk, price=brl("10.00"), actor_id=None, now=NOON)
    assert not PriceChange.objects.exists()
    assert published("catalog") == []
    assert Variant.objects.get().version == 1


def test_an_unknown_variant_has_no_price():
    with pytest.raises(VariantNotFound):
        change_price(variant_id=new_id(), price=brl("1.00"), actor_id=None, now=NOON)


def test_in_bulk_every_row_is_accounted_for():
    shirt, mug = on_sale(price="10.00"), on_sale(price="20.00")
    report = change_prices(
        prices=[
            NewPrice(row=0, sku=shirt.sku, price=brl("11.00")),
            NewPrice(row=1, variant_id=mug.pk, price=brl("20.00")),
            NewPrice(row=2, sku="NÃO-HÁ", price=brl("5.00")),
            NewPrice(row=3, sku=mug.sku, price=Money(Decimal("20.00"), "USD")),
        ],
        actor_id=None,
        now=NOON,
    )
    assert (report.changed, report.unchanged) == (1, 1)
    assert [(rejection.row, rejection.code) for rejection in report.rejected] == [
        (2, "variant_not_found"),
        (3, "other_currency"),
    ]


@pytest.mark.parametrize("number", [1, 9])
def test_statements_do_not_depend_on_the_number_of_prices(statements, number):
    prices = [NewPrice(variant_id=on_sale().pk, price=brl("99.00")) for _ in range(number)]
    with statements() as executed:
        change_prices(prices=prices, actor_id=None, now=NOON)
    assert len([sql for sql in executed if "outbox" not in sql]) == 5
