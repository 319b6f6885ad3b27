"""A batch of events beside a checkout that wants the same rows."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest
from django.db import connections

from contexts.catalog.interface import StockLine
from contexts.catalog.models import Stock
from contexts.catalog.usecases import reservations
from contexts.order.events import OrderConfirmed
from ecommerce import clock, codec
from ecommerce.ids import new_id
from ecommerce.inbox.consumer import Consumer
from ecommerce.inbox.models import ParkedMessage
from ecommerce.messaging.broker import Delivery
from ecommerce.messaging.envelope import Envelope
from ecommerce.messaging.pgmq import PgmqBroker
from ecommerce.topology import current
from tests.contexts.catalog.factories import NOON, on_sale
from tests.contexts.catalog.test_handlers import confirmed

pytestmark = pytest.mark.django_db(databases=["catalog"], transaction=True)

LOCK = "SELECT 1 FROM stock WHERE variant_id = %s FOR NO KEY UPDATE"


def confirmation(variant) -> Delivery:
    order_id = new_id()
    lines = [StockLine(variant_id=variant.pk, quantity=1)]
    reservations.reserve_stock(reservation_id=order_id, lines=lines, expires_at=NOON + timedelta(hours=1), now=NOON)
    envelope = Envelope(
        id=new_id(), source="/contexts/order", type=OrderConfirmed.type, subject=str(order_id), time=clock.now(),
        partitionkey=str(order_id), sequence=2,
    )  # fmt: skip
    return Delivery(1, envelope.headers(), codec.encode(confirmed(order_id, variant, 1)))


def test_a_batch_gives_way_to_a_checkout_that_waits_for_it_and_is_waited_for(monkeypatch) -> None:
    """The batch holds the second variant and wants the first; the checkout takes both in the order of their ids."""
    first, second = sorted([on_sale(), on_sale()], key=lambda variant: variant.pk)
    batch = [confirmation(second), confirmation(first)]
    batch_holds, checkout_holds, real = threading.Event(), threading.Event(), reservations.commit_stock
    faults: list[BaseException] = []

    def commit_and_meet(**arguments) -> None:
        if batch_holds.is_set():
            checkout_holds.wait(timeout=10)
        real(**arguments)
        batch_holds.set()

    def check_out() -> None:
        try:
            batch_holds.wait(timeout=10)
            with connections["catalog"].cursor() as cursor:
                cursor.execute("BEGIN")
                cursor.execute(LOCK, [first.pk])
                checkout_holds.set()
                cursor.execute(LOCK, [second.pk])
                cursor.execute("COMMIT")
        except BaseException as error:
            faults.append(error)
        finally:
            connections.close_all()

    monkeypatch.setattr(reservations, "commit_stock", commit_and_meet)
    shop = threading.Thread(target=check_out)
    shop.start()
    Consumer(current()["catalog"], PgmqBroker()).handle(batch)
    shop.join(timeout=30)

    assert faults == []
    assert set(Stock.objects.values_list("on_hand", "reserved")) == {(9, 0)}
    assert not ParkedMessage.objects.using("catalog").exists()
