"""Fixtures for tests of the event machinery: committed events of a real context, and brokers that are real."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from uuid import UUID, uuid4

import pytest
from amqp.exceptions import AMQPError

from contexts.order.events import OrderPlaced
from ecommerce.ids import new_id
from ecommerce.messaging.broker import Broker, BrokerUnavailable
from ecommerce.messaging.pgmq import PgmqBroker
from ecommerce.messaging.rabbitmq import RabbitBroker
from ecommerce.observability import tracing
from ecommerce.unit_of_work import unit_of_work
from tests.e2e.otlp import Receiver, receiving

RABBITMQ_URL = os.environ.get("TEST_RABBITMQ_URL", "amqp://guest:guest@127.0.0.1:5672//")


@pytest.fixture
def publish() -> Callable[..., UUID]:
    """Commit one OrderPlaced event in its own unit of work; return the order's id."""

    def commit(order_id: UUID | None = None, version: int = 1) -> UUID:
        subject = order_id or new_id()
        with unit_of_work("order") as work:
            work.publish(OrderPlaced(order_id=subject, number="N"), subject=subject, version=version)
        return subject

    return commit


@pytest.fixture
def rabbitmq() -> Iterator[RabbitBroker]:
    """A RabbitMQ broker with an exchange of its own. Required when CI is set, else skipped without a server."""
    broker = RabbitBroker(RABBITMQ_URL, exchange=f"test.{uuid4().hex[:8]}")
    try:
        broker.check()
    except BrokerUnavailable as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(f"no RabbitMQ at {RABBITMQ_URL}: {error}")
    yield broker
    with broker.connect() as connection:
        connection.default_channel.exchange_delete(broker.exchange)


@pytest.fixture(params=["pgmq", "rabbitmq"])
def broker(request: pytest.FixtureRequest, transactional_db: None) -> Broker:
    """Each broker in turn; the queues of PGMQ live in the test database."""
    if request.param == "pgmq":
        return PgmqBroker()
    found: RabbitBroker = request.getfixturevalue("rabbitmq")
    return found


@pytest.fixture
def queue(broker: Broker) -> Iterator[str]:
    """The name of a new queue of that broker, removed afterwards."""
    name = f"test_{uuid4().hex[:12]}"
    yield name
    if isinstance(broker, RabbitBroker):
        with broker.connect() as connection:
            try:
                connection.default_channel.queue_delete(name)
            except AMQPError:
                return
    else:
        from ecommerce.messaging.pgmq import _connect

        with _connect() as connection:
            connection.execute("SELECT pgmq.drop_queue(%s)", [name])


@pytest.fixture
def receiver(monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    """Trace this process, into a receiver of the test's own."""
    with receiving() as made:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", made.url)
        monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "100")
        monkeypatch.delitem(sys.modules, "opentelemetry.sdk", raising=False)
        monkeypatch.setattr(tracing, "ENABLED", True)
        tracing._recorder.cache_clear()
        yield made
        tracing.flush()
        tracing._recorder.cache_clear()
