"""Orders in the back office."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from django.db import connections
from django.test import Client

from contexts.order.models import Order
from tests.contexts.identity.factories import UserFactory
from tests.contexts.order.factories import OrderFactory

pytestmark = pytest.mark.django_db(databases=["identity", "order"])
NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
TABLES = ["order", "paymentattempt", "ledgerentry", "shipment", "webhookevent", "shippingmethod", "dailysales"]


@pytest.fixture
def staff() -> Client:
    client = Client()
    client.force_login(UserFactory(is_staff=True, is_superuser=True))
    return client


@pytest.mark.parametrize("table", TABLES)
def test_every_list_opens(staff: Client, table: str) -> None:
    OrderFactory()

    assert staff.get(f"/admin/order/{table}/").status_code == 200


def test_an_order_shows_its_lines_and_what_happened_to_it(staff: Client) -> None:
    order = OrderFactory(status="pending")
    order.confirm(now=NOW)
    order.save_change()

    page = staff.get(f"/admin/order/order/{order.id}/change/").content.decode()

    assert order.number in page
    assert "pending → confirmed" in page


def test_an_order_cannot_be_edited_or_deleted_by_hand(staff: Client) -> None:
    order = OrderFactory()

    assert staff.post(f"/admin/order/order/{order.id}/change/", {"status": "delivered"}).status_code == 403
    assert staff.post(f"/admin/order/order/{order.id}/delete/", {"post": "yes"}).status_code == 403
    assert Order.objects.using("order").get(id=order.id).status == "confirmed"


def test_the_statements_of_the_list_do_not_grow_with_its_rows(staff: Client) -> None:
    counts = []
    for _ in range(2):
        OrderFactory.create_batch(5)
        seen: list[str] = []
        with connections["order"].execute_wrapper(lambda run, sql, *rest: (seen.append(sql), run(sql, *rest))[1]):
            staff.get("/admin/order/order/")
        counts.append(len(seen))

    assert counts[0] == counts[1] <= 4
