"""Lines of every part of the program name the request and the trace that they belong to."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Callable, Iterator
from typing import Any

import celery
import pytest
import structlog
from django.http import HttpRequest, HttpResponse
from django.test import Client
from django.urls import path
from pytest_django import Settings

from contexts.order.events import OrderPlaced
from ecommerce import clock, codec
from ecommerce.ids import new_id
from ecommerce.inbox import registry
from ecommerce.inbox.consumer import Consumer
from ecommerce.messaging.broker import Delivery, Published
from ecommerce.messaging.envelope import Envelope
from ecommerce.messaging.pgmq import PgmqBroker
from ecommerce.messaging.threads import Supervised
from ecommerce.observability import context, tasks
from ecommerce.observability.logging import formatter
from ecommerce.outbox.relay import Relay, Row
from ecommerce.topology import current

CALLER = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
TRACE = CALLER[3:35]
Lines = Callable[[str], list[dict[str, Any]]]


@pytest.fixture
def lines() -> Iterator[Lines]:
    """Give what was logged under an event name, as the lines that production writes."""
    stream, root = io.StringIO(), logging.getLogger()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(formatter(json=True, service="order"))
    root.addHandler(handler)

    def logged(event: str) -> list[dict[str, Any]]:
        return [line for line in map(json.loads, stream.getvalue().splitlines()) if event in line["event"]]

    yield logged
    root.removeHandler(handler)


def envelope() -> Envelope:
    order_id = str(new_id())
    return Envelope(
        id=new_id(), source="/contexts/order", type=OrderPlaced.type, subject=order_id, time=clock.now(),
        partitionkey=order_id, sequence=1, correlationid="c-7", traceparent=CALLER,
    )  # fmt: skip


def belongs(line: dict[str, Any]) -> bool:
    named = (line["correlation_id"], line["trace_id"], line["service"])
    return named == ("c-7", TRACE, "order") and len(line["span_id"]) == 16


def speak(request: HttpRequest) -> HttpResponse:
    structlog.get_logger("shop").warning("spoken")
    return HttpResponse()


urlpatterns = [path("speak", speak)]


def test_a_request(lines: Lines, client: Client, settings: Settings) -> None:
    settings.ROOT_URLCONF = __name__
    settings.MIDDLEWARE = ["ecommerce.observability.middleware.RequestContextMiddleware"]

    client.get("/speak", headers={"X-Correlation-ID": "c-7", "traceparent": CALLER})

    assert belongs(lines("spoken")[0])


def test_the_relay_about_an_event(lines: Lines) -> None:
    sent = envelope()
    row = Row(1, sent.id, 0, "order", sent.subject, sent.type, "{}", codec.encode(sent.headers()).decode(), 0)

    Relay(current()["order"], PgmqBroker())._count([row], Published(refused={sent.id: "full"}))

    assert belongs(lines("event_refused")[0])


@pytest.mark.django_db(transaction=True, databases=["order"])
def test_the_consumer_about_a_handler(lines: Lines, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(event: OrderPlaced, envelope: Envelope) -> None:
        structlog.get_logger("shop").warning("spoken")
        raise ValueError("not now")

    handler = registry.Handler("order.test_effect", "order", OrderPlaced, fail)
    monkeypatch.setattr(registry, "_handlers", {handler.name: handler})
    data = codec.encode(OrderPlaced(order_id=new_id(), number="N"))

    Consumer(current()["order"], PgmqBroker()).handle([Delivery(1, envelope().headers(), data)])

    assert belongs(lines("spoken")[0])
    assert belongs(lines("handler_failed")[0])


def test_a_task_of_a_worker_and_what_celery_says_of_its_failure(lines: Lines) -> None:
    app = celery.Celery("test", set_as_current=False)
    tasks.connect()

    @app.task(name="test.fail")
    def fail() -> None:
        structlog.get_logger("shop").warning("spoken")
        raise ValueError("not now")

    headers: dict[str, Any] = {}
    with context.bound(correlation_id="c-7", traceparent=CALLER):
        tasks._name_the_request(headers=headers)
    fail.apply(headers=headers)

    assert belongs(lines("spoken")[0])
    assert belongs(lines("test.fail")[0])
    assert context.bound_or_none() is None


def test_a_thread_of_a_worker_that_fails(lines: Lines) -> None:
    def fail(stop: Any) -> None:
        thread.stop()
        raise ValueError("not now")

    thread = Supervised("relay-order", fail)
    thread.start()
    thread.join(timeout=10)

    (line,) = lines("thread_failed")
    assert line["correlation_id"]
    assert len(line["trace_id"]) == 32
