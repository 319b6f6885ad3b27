"""A purchase is one trace, from the request to the mail: real processes, a real receiver."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.e2e.otlp import Received, receiving
from tests.e2e.replay.client import Shop
from tests.e2e.stack import new_folder, running
from tests.e2e.test_run import await_mail, buy

pytestmark = pytest.mark.timeout(400)

PASSWORD = "correct-horse-battery-1"
CONSUMERS = {
    "process cart.record_recovered_revenue",
    "process catalog.commit_reserved_stock",
    "process notification.tell_order_confirmed",
    "process order.book_confirmed_order",
    "process promotion.confirm_redemption",
}


class Trace:
    """The spans of one purchase."""

    def __init__(self, spans: list[Received]) -> None:
        checkout = next(span for span in spans if span.name == "POST /api/v1/checkout")
        self.spans = [span for span in spans if span.trace_id == checkout.trace_id]
        self.by_id = {span.span_id: span for span in self.spans}

    def named(self, name: str) -> list[Received]:
        return [span for span in self.spans if span.name == name]

    def parents(self, span: Received) -> list[str]:
        """Return the names from a span up to the root, without its own."""
        names: list[str] = []
        while span.parent_id:
            span = self.by_id[span.parent_id]
            names.append(span.name)
        return names

    def above(self, name: str) -> list[str]:
        (span,) = self.named(name)
        return self.parents(span)


def complete(spans: list[Received]) -> bool:
    names = {span.name for span in spans}
    return names >= {*CONSUMERS, "POST /api/v1/checkout", "process identity.send_mail", "send email"}


@pytest.fixture(scope="module")
def purchase() -> Iterator[dict[str, Any]]:
    """One purchase in a shop of its own, and everything that was received of it, the shop's end included."""
    folder = new_folder()
    with receiving() as receiver:
        tracing = {"OTEL_EXPORTER_OTLP_ENDPOINT": receiver.url, "OTEL_BSP_SCHEDULE_DELAY": "300"}
        with running(demo=True, folder=folder, **tracing) as stack:
            order = buy(stack)
            await_mail(folder)
            shop = Shop(stack.url, connections=1)
            shop.sign_up("bia@example.com", PASSWORD, "Bia Lima")
            shop.close()
            receiver.await_spans(complete)
            last = buy(stack)
        yield {"order": order, "last": last, "spans": receiver.spans}


@pytest.fixture(scope="module")
def trace(purchase: dict[str, Any]) -> Trace:
    return Trace(purchase["spans"])


def test_the_request_is_the_root_and_every_other_span_has_its_parent(trace: Trace) -> None:
    roots = [span for span in trace.spans if not span.parent_id]
    orphans = [span.name for span in trace.spans if span.parent_id and span.parent_id not in trace.by_id]

    assert [(root.name, root.kind) for root in roots] == [("POST /api/v1/checkout", "server")]
    assert orphans == []
    assert roots[0].attributes["http.route"] == "/api/v1/checkout"
    assert roots[0].attributes["http.response.status_code"] == 201


def test_the_saga_its_steps_and_the_gateway_belong_to_the_request(trace: Trace) -> None:
    request = "POST /api/v1/checkout"
    saga = "saga CREATE_ORDER"

    assert trace.above(saga) == [request]
    for step in ("reserve_inventory", "process_payment", "convert_cart", "send_confirmation"):
        assert trace.above(f"CREATE_ORDER {step}") == [saga, request]
    assert trace.above("POST sandbox") == ["CREATE_ORDER process_payment", saga, request]


def test_the_event_goes_from_its_unit_of_work_over_the_relay_to_every_consumer(trace: Trace) -> None:
    published = ["unit of work order", "CREATE_ORDER send_confirmation", "saga CREATE_ORDER", "POST /api/v1/checkout"]
    sent = "send order.confirmed.v1"

    assert trace.above(sent) == published
    for consumer in CONSUMERS:
        assert trace.above(consumer) == [sent, *published]
    (relay,) = trace.named(sent)
    assert (relay.kind, relay.attributes["messaging.system"]) == ("producer", "pgmq")


def test_the_effects_and_the_mail_belong_to_their_consumers(trace: Trace) -> None:
    effects = [trace.parents(span)[0] for span in trace.named("unit of work catalog")]
    mails = [trace.parents(span)[:2] for span in trace.named("send email")]

    assert "process catalog.commit_reserved_stock" in effects
    assert ["unit of work notification", "process notification.tell_order_confirmed"] in mails


def test_one_correlation_id_and_several_processes(trace: Trace) -> None:
    assert len({span.attributes["correlation_id"] for span in trace.spans}) == 1
    assert len({span.process["service.instance.id"] for span in trace.spans}) >= 2
    assert {span.process["service.name"] for span in trace.spans} == {"ecommerce"}


def test_no_personal_data_and_no_secret_is_in_any_span(purchase: dict[str, Any]) -> None:
    secrets = (
        "@",
        "ana",
        "bia",
        "Lima",
        PASSWORD,
        "tok_visa",
        "Paulista",
        "01310",
        purchase["order"]["access_token"],
        "Bearer",
        "SELECT",
        "INSERT",
    )
    texts = [str(value) for span in purchase["spans"] for value in (span.name, *span.attributes.values())]

    assert len(texts) > 100
    assert [text for text in texts for secret in secrets if secret in text] == []


def test_what_was_recorded_last_is_sent_before_the_processes_end(purchase: dict[str, Any]) -> None:
    """The second purchase happened just before the shop was told to stop."""
    assert len([span for span in purchase["spans"] if span.name == "POST /api/v1/checkout"]) == 2


def test_a_task_belongs_to_the_request_that_asked_for_it(purchase: dict[str, Any]) -> None:
    by_id = {span.span_id: span for span in purchase["spans"]}
    task = next(span for span in purchase["spans"] if span.name == "process identity.send_mail")
    request = next(span for span in purchase["spans"] if span.trace_id == task.trace_id and span.kind == "server")

    above = task
    while above.parent_id:
        above = by_id[above.parent_id]
    assert above == request
    assert task.attributes["correlation_id"] == request.attributes["correlation_id"]
    assert task.process["service.instance.id"] != request.process["service.instance.id"]
    assert [span.name for span in purchase["spans"] if span.parent_id == task.span_id] == ["send email"]


def test_periodic_tasks_are_traces_of_their_own(purchase: dict[str, Any]) -> None:
    resumed = [span for span in purchase["spans"] if span.name == "process ecommerce.saga.resume"]

    assert resumed
    assert all(not span.parent_id and span.kind == "consumer" for span in resumed)
