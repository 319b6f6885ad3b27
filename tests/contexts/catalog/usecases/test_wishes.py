from __future__ import annotations

import pytest

from contexts.catalog.events import VariantBackInStock
from contexts.catalog.models import MovementKind, Product
from contexts.catalog.usecases.products import change_product, put_on_sale
from contexts.catalog.usecases.stock import StockEntry, record_stock
from contexts.catalog.usecases.wishes import VariantInStock, ask_stock_alert
from ecommerce.ids import new_id
from ecommerce.testing import published
from tests.contexts.catalog.factories import NOON, on_sale


@pytest.mark.django_db(databases=["catalog"], transaction=True)
def test_who_asks_while_goods_come_in_is_either_refused_or_told(together):
    for _ in range(8):
        variant, customers = on_sale(stock=0), [new_id() for _ in range(5)]
        entry = StockEntry(kind=MovementKind.RECEIVE, quantity=1, variant_id=variant.pk)
        asking = [
            lambda customer_id=customer_id, variant_id=variant.pk: ask_stock_alert(
                customer_id=customer_id, variant_id=variant_id, now=NOON
            )
            for customer_id in customers
        ]
        receiving = [lambda entry=entry: record_stock(entries=[entry], reason="", actor_id=None, now=NOON)]
        results = together([*asking, *receiving])[:5]
        refused = {c for c, result in zip(customers, results, strict=True) if isinstance(result, VariantInStock)}
        events = [event for event in published("catalog", VariantBackInStock) if event.variant_id == variant.pk]
        told = {customer_id for event in events for customer_id in event.customer_ids}
        assert refused | told == set(customers)
        assert not refused & told


@pytest.mark.django_db(databases=["catalog"])
@pytest.mark.parametrize("shown_by", ["action", "api"])
def test_who_waits_for_what_is_not_sold_is_told_when_it_is_sold_again(shown_by):
    variant, customer = on_sale(stock=0), new_id()
    ask_stock_alert(customer_id=customer, variant_id=variant.pk, now=NOON)
    put_on_sale(ids=[variant.product_id], on_sale=False, now=NOON)
    entry = StockEntry(kind=MovementKind.RECEIVE, quantity=1, variant_id=variant.pk)
    record_stock(entries=[entry], reason="", actor_id=None, now=NOON)
    assert published("catalog", VariantBackInStock) == []
    if shown_by == "action":
        put_on_sale(ids=[variant.product_id], on_sale=True, now=NOON)
    else:
        version = Product.objects.get().version
        change_product(product_id=variant.product_id, version=version, changes={"on_sale": True}, now=NOON)
    assert [event.customer_ids for event in published("catalog", VariantBackInStock)] == [[customer]]


@pytest.mark.django_db(databases=["catalog"])
def test_a_product_that_is_shown_without_pieces_is_no_news():
    variant = on_sale(stock=0)
    ask_stock_alert(customer_id=new_id(), variant_id=variant.pk, now=NOON)
    put_on_sale(ids=[variant.product_id], on_sale=True, now=NOON)
    assert published("catalog", VariantBackInStock) == []
