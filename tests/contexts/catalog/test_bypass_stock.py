"""Stock that is counted without the application: a line in the ledger and one event each; orders say nothing."""

from __future__ import annotations

import io
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from uuid import UUID

import pytest
from django.db import IntegrityError, connections

from contexts.catalog.domain.imports import read_products
from contexts.catalog.events import StockAdjusted, VariantBackInStock
from contexts.catalog.handlers import show_stock_that_bypassed_us
from contexts.catalog.interface import StockLine
from contexts.catalog.models import MovementKind, ProductCatalog, Stock, StockAlert, StockMovement, Variant
from contexts.catalog.usecases.imports import import_catalog
from contexts.catalog.usecases.reservations import (
    cancel_stock,
    commit_stock,
    release_expired_reservations,
    release_stock,
    reserve_stock,
)
from contexts.catalog.usecases.stock import StockEntry, record_stock
from ecommerce.ids import new_id
from ecommerce.messaging.envelope import Envelope
from ecommerce.outbox.append import partition_of
from ecommerce.testing import drain, published
from ecommerce.unit_of_work import unit_of_work
from tests.contexts.catalog.factories import NOON, ProductFactory, VariantFactory, on_sale
from tests.contexts.catalog.psql import outbox, run, run_as_administrator, told

pytestmark = pytest.mark.django_db(databases=["catalog"], transaction=True)

LATER = NOON + timedelta(hours=1)
ADD_STOCK = "INSERT INTO stock (variant_id, on_hand, reserved) VALUES (%s, %s, 0)"


def record(variant: Variant, *entries: tuple[MovementKind, int]) -> None:
    given = [StockEntry(kind=kind, quantity=quantity, variant_id=variant.pk) for kind, quantity in entries]
    record_stock(entries=given, reason="nota 123", actor_id=None, now=NOON)


def reserve(variant: Variant, quantity: int = 1) -> StockLine:
    """Hold pieces for an order whose id is the variant's."""
    line = StockLine(variant_id=variant.pk, quantity=quantity)
    reserve_stock(reservation_id=variant.pk, lines=[line], expires_at=LATER, now=NOON)
    return line


def millisecond(identifier: UUID) -> int:
    """The Unix time in the first 48 bits of a UUIDv7."""
    return identifier.int >> 80


def begin_another_millisecond() -> None:
    """Ids tell the order of what was written in different milliseconds."""
    now = millisecond(new_id())
    while millisecond(new_id()) == now:
        pass


def ledger(variant: Variant) -> list[tuple[str, int]]:
    return list(StockMovement.objects.filter(variant=variant).order_by("id").values_list("kind", "quantity"))


def sum_of_ledger(variant: Variant) -> int:
    return sum(-quantity if kind == "sell" else quantity for kind, quantity in ledger(variant) if kind != "reserve")


def wait_for(variant: Variant) -> None:
    StockAlert.objects.create(customer_id=new_id(), variant=variant, created_at=NOON)


def test_a_bulk_update_is_one_event_and_one_line_for_each_row_that_changed() -> None:
    variants = [on_sale(stock=3) for _ in range(3)] + [on_sale(stock=8)]
    run("UPDATE stock SET on_hand = 8")
    events = {event.variant_id: event for event in published("catalog", StockAdjusted)}
    assert events.keys() == {variant.pk for variant in variants[:3]}
    assert {(event.change, event.on_hand) for event in events.values()} == {(5, 8)}
    assert told("stock") == [(3, "trigger")] * 3
    assert [ledger(variant) for variant in variants] == [[("adjust", 5)]] * 3 + [[]]
    assert sorted(Stock.objects.values_list("version", flat=True)) == [2, 3, 3, 3]


@pytest.mark.parametrize(
    ("entries", "change"),
    [
        ([(MovementKind.RECEIVE, 5)], 5),
        ([(MovementKind.RETURN, 1)], 1),
        ([(MovementKind.ADJUST, -2)], -2),
        ([(MovementKind.RECEIVE, 5), (MovementKind.ADJUST, -2)], 3),
    ],
)
def test_the_same_change_through_a_use_case_is_one_event_not_two(entries, change) -> None:
    variant = on_sale(stock=10)
    record(variant, *entries)
    assert told("stock") == [(3, "app")]
    assert published("catalog", StockAdjusted) == [
        StockAdjusted(variant_id=variant.pk, change=change, on_hand=10 + change)
    ]
    assert ledger(variant) == entries


def test_entries_that_cancel_out_publish_nothing() -> None:
    record(on_sale(stock=10), (MovementKind.RECEIVE, 2), (MovementKind.ADJUST, -2))
    assert told("stock") == []


def test_the_stock_of_an_import_is_one_event_each() -> None:
    text = "handle,name,category,option1_name,option1_value,sku,price,stock\ncaneca,Caneca,Casa,,,CAN-1,25.00,7\n"
    import_catalog(products=read_products(io.StringIO(text)), actor_id=None, now=NOON)
    assert told("stock") == [(2, "app")]


SALES: dict[str, Callable[[Variant, StockLine], object]] = {
    "sold": lambda variant, line: commit_stock(reservation_id=variant.pk, lines=[line], now=NOON),
    "released": lambda variant, line: release_stock(reservation_id=variant.pk, now=NOON),
    "expired": lambda variant, line: release_expired_reservations(now=LATER),
    "sold late": lambda variant, line: commit_stock(reservation_id=new_id(), lines=[line], now=NOON),
}


@pytest.mark.parametrize("sale", SALES)
def test_what_orders_do_publishes_nothing_and_adds_no_line(sale: str) -> None:
    variant = on_sale(stock=10)
    SALES[sale](variant, reserve(variant))
    cancel_stock(reservation_id=variant.pk, now=NOON)
    assert told("stock") == []
    assert "adjust" not in dict(ledger(variant))


def test_a_purchase_costs_no_statement_more(statements) -> None:
    variant = on_sale(stock=10)
    with statements("catalog") as executed:
        line = reserve(variant)
        commit_stock(reservation_id=variant.pk, lines=[line], now=NOON)
        cancel_stock(reservation_id=variant.pk, now=NOON)
    assert len(executed) == 5


def test_what_changes_no_piece_publishes_nothing() -> None:
    variant = on_sale(stock=3)
    run("UPDATE stock SET on_hand = 3")
    run("UPDATE stock SET reserved = 1")
    assert told("stock") == []
    assert ledger(variant) == []


def test_what_is_rolled_back_or_refused_leaves_nothing() -> None:
    variant = on_sale(stock=3)
    reserve(variant, 2)
    with suppress(RuntimeError), unit_of_work("catalog"):
        run("UPDATE stock SET on_hand = 5")
        raise RuntimeError
    with pytest.raises(IntegrityError, match="stock_reserved"):
        run("UPDATE stock SET on_hand = 1")
    assert told("stock") == []
    assert ledger(variant) == [("reserve", 2)]


def test_a_bypass_within_a_unit_of_work_is_published_as_well() -> None:
    variant = on_sale(stock=3)
    with unit_of_work("catalog"):
        Stock.objects.update(on_hand=5)
    assert told("stock") == [(3, "trigger")]
    assert ledger(variant) == [("adjust", 2)]


def test_versions_of_both_ways_and_of_sales_follow_one_another() -> None:
    variant = on_sale(stock=3)
    old = Stock.objects.get()
    run("UPDATE stock SET on_hand = 5")
    record(variant, (MovementKind.RECEIVE, 1))
    commit_stock(reservation_id=variant.pk, lines=[reserve(variant)], now=NOON)
    run("UPDATE stock SET on_hand = 9")
    old.on_hand = 20
    old.save()
    assert told("stock") == [(3, "trigger"), (4, "app"), (6, "trigger"), (7, "trigger")]
    assert Stock.objects.get().version == 7


def test_the_ledger_adds_up_to_the_balance_whoever_changed_it() -> None:
    variant = VariantFactory.create(product=ProductFactory.create())
    run(ADD_STOCK, variant.pk, 10)
    record(variant, (MovementKind.RECEIVE, 4))
    line = reserve(variant, 3)
    run("UPDATE stock SET on_hand = on_hand - 2")
    commit_stock(reservation_id=variant.pk, lines=[line], now=NOON)
    run("UPDATE stock SET on_hand = 50, reserved = 0")
    cancel_stock(reservation_id=variant.pk, now=NOON)
    assert [line for line in ledger(variant) if line[0] == "adjust"] == [("adjust", 10), ("adjust", -2), ("adjust", 41)]
    assert sum_of_ledger(variant) == Stock.objects.get().on_hand == 53


def test_stock_that_is_added_with_pieces_is_noted_and_published_once() -> None:
    product = ProductFactory.create()
    empty, full = VariantFactory.create(product=product), VariantFactory.create(product=product)
    run(ADD_STOCK, empty.pk, 0)
    for pieces in (6, 9):
        run(f"{ADD_STOCK} ON CONFLICT (variant_id) DO NOTHING", full.pk, pieces)
    assert published("catalog", StockAdjusted) == [StockAdjusted(variant_id=full.pk, change=6, on_hand=6)]
    assert told("stock") == [(1, "trigger")]
    assert (ledger(empty), ledger(full)) == ([], [("adjust", 6)])
    run(f"{ADD_STOCK} ON CONFLICT (variant_id) DO UPDATE SET on_hand = excluded.on_hand", full.pk, 9)
    assert ledger(full) == [("adjust", 6), ("adjust", 3)]


def test_lines_of_both_ways_stand_in_the_order_in_which_they_were_written() -> None:
    variant = on_sale(stock=3)
    run("UPDATE stock SET on_hand = 4")
    begin_another_millisecond()
    record(variant, (MovementKind.RECEIVE, 1))
    begin_another_millisecond()
    run("UPDATE stock SET on_hand = 9")
    assert ledger(variant) == [("adjust", 1), ("receive", 1), ("adjust", 4)]
    assert {row.id.version for row in StockMovement.objects.all()} == {7}


def test_an_id_of_the_database_tells_the_millisecond_that_has_begun() -> None:
    """One that rounds up would stand behind a line of the application that is written after it."""
    with connections["catalog"].cursor() as cursor:
        cursor.execute("""
            SELECT id, floor(extract(epoch FROM began) * 1000)::bigint, floor(extract(epoch FROM ended) * 1000)::bigint
            FROM (SELECT clock_timestamp() AS began, new_ledger_id() AS id, clock_timestamp() AS ended
                  FROM generate_series(1, 500)) AS t
        """)
        for identifier, began, ended in cursor.fetchall():
            assert began <= millisecond(identifier) <= ended


def test_the_envelope_is_one_that_subscribers_read() -> None:
    variant = on_sale(stock=3)
    run("UPDATE stock SET on_hand = 5")
    (row,) = outbox("stock")
    envelope = Envelope.from_headers(row.headers)
    assert (envelope.id, envelope.type, envelope.sequence) == (row.event_id, StockAdjusted.type, 3)
    assert (envelope.subject, envelope.partitionkey) == (str(variant.pk), str(variant.pk))
    assert envelope.actor == "database:catalog_service"
    assert row.partition_no == partition_of(variant.pk)


def test_it_does_not_matter_who_makes_the_change_and_the_ledger_says_who() -> None:
    on_sale(stock=3)
    run_as_administrator("UPDATE catalog_service.stock SET on_hand = 5")
    (row,) = outbox("stock")
    assert (row.origin, row.headers["cloudEvents_actor"]) == ("trigger", "database:postgres")
    assert StockMovement.objects.get().reason == "no banco de dados, por postgres"


def test_the_shop_shows_stock_that_bypassed_it() -> None:
    on_sale(stock=0)
    for pieces in (5, 0):
        run("UPDATE stock SET on_hand = %s", pieces)
        drain("catalog")
        assert ProductCatalog.objects.get().available == (pieces > 0)


def test_who_waits_is_told_once_of_pieces_that_came_back_by_hand() -> None:
    variant = on_sale(stock=0)
    wait_for(variant)
    run("UPDATE stock SET on_hand = 2")
    (row,) = outbox("stock")
    (event,) = published("catalog", StockAdjusted)
    for _ in range(2):
        show_stock_that_bypassed_us(event, Envelope.from_headers(row.headers))
    (back,) = published("catalog", VariantBackInStock)
    assert (back.variant_id, back.customer_ids) == (variant.pk, [StockAlert.objects.get().customer_id])


def test_nobody_is_told_of_pieces_that_are_promised_to_others() -> None:
    variant = on_sale(stock=1)
    reserve(variant)
    wait_for(variant)
    run("UPDATE stock SET on_hand = 2, reserved = 2")
    drain("catalog")
    assert StockAlert.objects.get().notified_at is None
