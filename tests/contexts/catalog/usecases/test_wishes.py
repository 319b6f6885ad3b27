from __future__ import annotations

import pytest

from contexts.catalog.events import VariantBackInStock
from contexts.catalog.models import MovementKind
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
