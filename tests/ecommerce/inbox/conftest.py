"""What tests of the consumer share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.db import connections

from contexts.order.events import OrderPlaced
from ecommerce.inbox import registry
from ecommerce.inbox.consumer import Consumer
from ecommerce.messaging.pgmq import PgmqBroker
from ecommerce.topology import current
from tests.ecommerce.inbox.effects import Effects


@pytest.fixture
def effects(monkeypatch: pytest.MonkeyPatch) -> Iterator[Effects]:
    handler = Effects()
    registered = registry.Handler("order.test_effect", "order", OrderPlaced, handler)
    monkeypatch.setattr(registry, "_handlers", {registered.name: registered})
    with connections["order"].cursor() as cursor:
        cursor.execute("CREATE TABLE test_effects (order_id uuid, version int)")
    yield handler
    with connections["order"].cursor() as cursor:
        cursor.execute("DROP TABLE test_effects")


@pytest.fixture
def consumer(effects: Effects) -> Consumer:
    return Consumer(current()["order"], PgmqBroker())
