"""Prices that change without the application: one event each, and never two for one change."""

from __future__ import annotations

import zlib
from contextlib import suppress

import pytest
from django.db import connections

from contexts.catalog.events import VariantPriceChanged
from contexts.catalog.models import PriceChange, ProductCatalog, Variant
from contexts.catalog.usecases.prices import change_price
from ecommerce.ids import new_id
from ecommerce.messaging.envelope import Envelope
from ecommerce.outbox.append import partition_of
from ecommerce.testing import drain, published
from ecommerce.unit_of_work import unit_of_work
from tests.contexts.catalog.factories import NOON, brl, on_sale
from tests.contexts.catalog.psql import outbox, run, run_as_administrator, told

pytestmark = pytest.mark.django_db(databases=["catalog", "cart"], transaction=True)


def test_a_bulk_update_is_one_event_for_each_row_that_changed() -> None:
    variants = [on_sale(price="10.00") for _ in range(3)] + [on_sale(price="30.00")]
    run("UPDATE variants SET price = 30.00")
    events = {event.variant_id: event for event in published("catalog", VariantPriceChanged)}
    assert events.keys() == {variant.pk for variant in variants[:3]}
    assert {(event.old_price, event.new_price) for event in events.values()} == {(brl("10.00"), brl("30.00"))}
    assert {row.origin for row in outbox("variant")} == {"trigger"}
    assert PriceChange.objects.count() == 3
    assert sorted(Variant.objects.values_list("version", flat=True)) == [1, 2, 2, 2]


def test_the_same_change_through_a_use_case_is_one_event_not_two() -> None:
    variant = on_sale(price="10.00")
    change_price(variant_id=variant.pk, price=brl("12.00"), actor_id=None, now=NOON)
    (row,) = outbox("variant")
    assert (row.origin, row.aggregate_version) == ("app", 2)
    assert PriceChange.objects.count() == 1


def test_a_bypass_within_a_unit_of_work_is_published_as_well() -> None:
    variant = on_sale(price="10.00")
    with unit_of_work("catalog"):
        run("UPDATE variants SET price = 11.00 WHERE id = %s", variant.pk)
    assert [row.origin for row in outbox("variant")] == ["trigger"]


def test_what_is_rolled_back_is_not_published() -> None:
    variant = on_sale(price="10.00")
    with suppress(RuntimeError), unit_of_work("catalog"):
        run("UPDATE variants SET price = 11.00 WHERE id = %s", variant.pk)
        raise RuntimeError
    assert outbox("variant") == []
    assert Variant.objects.get().money == brl("10.00")


def test_versions_of_both_ways_follow_one_another() -> None:
    variant = on_sale(price="10.00")
    run("UPDATE variants SET price = 11.00 WHERE id = %s", variant.pk)
    change_price(variant_id=variant.pk, price=brl("12.00"), actor_id=None, now=NOON)
    run("UPDATE variants SET price = 13.00 WHERE id = %s", variant.pk)
    assert told("variant") == [(2, "trigger"), (3, "app"), (4, "trigger")]


def test_other_columns_publish_nothing() -> None:
    on_sale(price="10.00")
    run("UPDATE variants SET price = price, weight_grams = 5")
    assert outbox("variant") == []


def test_the_envelope_is_one_that_subscribers_read() -> None:
    variant = on_sale(price="10.00")
    run("UPDATE variants SET price = 11.00")
    (row,) = outbox("variant")
    envelope = Envelope.from_headers(row.headers)
    assert (envelope.id, envelope.type, envelope.sequence) == (row.event_id, VariantPriceChanged.type, 2)
    assert (envelope.subject, envelope.partitionkey) == (str(variant.pk), str(variant.pk))
    assert envelope.actor == "database:catalog_service"
    assert row.partition_no == partition_of(variant.pk)


def test_the_shop_shows_a_price_that_bypassed_it() -> None:
    on_sale(price="10.00")
    run("UPDATE variants SET price = 11.00")
    assert '"amount": "11.00"' not in ProductCatalog.objects.get().document
    drain("catalog")
    assert '"amount": "11.00"' in ProductCatalog.objects.get().document


def test_the_database_spreads_aggregates_as_the_application_does() -> None:
    ids = [str(new_id()) for _ in range(200)]
    with connections["catalog"].cursor() as cursor:
        cursor.execute("SELECT id, outbox_partition_of(id) FROM unnest(%s::text[]) AS id", [ids])
        assert dict(cursor.fetchall()) == {id: zlib.crc32(id.encode()) % 64 for id in ids}


def test_it_does_not_matter_who_makes_the_change() -> None:
    variant = on_sale(price="10.00")
    run_as_administrator("UPDATE catalog_service.variants SET price = 12.00")
    (row,) = outbox("variant")
    assert (row.origin, row.aggregate_id, row.headers["cloudEvents_actor"]) == (
        "trigger", str(variant.pk), "database:postgres",
    )  # fmt: skip
    assert PriceChange.objects.count() == 1
