from __future__ import annotations

import pytest

from contexts.catalog.models import MovementKind, ProductCatalog, Stock, StockMovement
from contexts.catalog.usecases.ledger import StockTooLow
from contexts.catalog.usecases.stock import StockEntry, UnknownVariants, record_stock
from ecommerce.ids import new_id
from tests.contexts.catalog.factories import NOON, on_sale

pytestmark = pytest.mark.django_db(databases=["catalog"])


def record(*entries, actor_id=None):
    return record_stock(entries=entries, reason="nota 123", actor_id=actor_id, now=NOON)


def test_goods_come_in_by_id_or_sku_and_are_shown_at_once():
    shirt, mug, actor = on_sale(stock=0), on_sale(stock=3), new_id()
    changes = record(
        StockEntry(kind=MovementKind.RECEIVE, quantity=5, variant_id=shirt.pk),
        StockEntry(kind=MovementKind.ADJUST, quantity=-2, sku=mug.sku),
        actor_id=actor,
    )
    assert {change.variant_id: (change.before, change.after) for change in changes} == {
        shirt.pk: (0, 5),
        mug.pk: (3, 1),
    }
    assert ProductCatalog.objects.get(pk=shirt.product_id).available
    movement = StockMovement.objects.get(variant=mug)
    assert (movement.quantity, movement.reason, movement.actor_id) == (-2, "nota 123", actor)


def test_reserved_pieces_cannot_be_corrected_away():
    shirt, mug = on_sale(stock=5), on_sale(stock=5)
    Stock.objects.filter(pk=shirt.pk).update(reserved=4)
    with pytest.raises(StockTooLow):
        record(
            StockEntry(kind=MovementKind.RECEIVE, quantity=1, variant_id=mug.pk),
            StockEntry(kind=MovementKind.ADJUST, quantity=-2, variant_id=shirt.pk),
        )
    assert Stock.objects.get(pk=mug.pk).on_hand == 5


def test_unknown_variants_are_named_and_nothing_is_booked():
    shirt, unknown = on_sale(), new_id()
    with pytest.raises(UnknownVariants) as refusal:
        record(
            StockEntry(kind=MovementKind.RECEIVE, quantity=1, variant_id=shirt.pk),
            StockEntry(kind=MovementKind.RECEIVE, quantity=1, variant_id=unknown),
            StockEntry(kind=MovementKind.RECEIVE, quantity=1, sku="NÃO-HÁ"),
        )
    assert refusal.value.params["unknown"] == [str(unknown), "NÃO-HÁ"]
    assert not StockMovement.objects.exists()


@pytest.mark.parametrize("number", [1, 9])
def test_statements_do_not_depend_on_the_number_of_entries(statements, number):
    entries = [StockEntry(kind=MovementKind.RECEIVE, quantity=1, sku=on_sale().sku) for _ in range(number)]
    with statements() as executed:
        record(*entries)
    assert len(executed) == 4
