"""What the metrics say of payments, and what a gateway is told of the request that asks it."""

from __future__ import annotations

import httpx
import pytest
from prometheus_client import REGISTRY

from contexts.order.adapters import sandbox
from ecommerce.ids import new_id
from ecommerce.observability import context
from tests.contexts.order.conftest import EVERYWHERE, card, work


def count(outcome: str) -> float:
    labels = {"method": "card", "gateway": "sandbox", "outcome": outcome}
    return REGISTRY.get_sample_value("payments_total", labels) or 0.0


@pytest.mark.django_db(databases=EVERYWHERE)
def test_each_change_of_a_payment_is_counted_once(shopper, shirt, psp, time_passes):
    before = {outcome: count(outcome) for outcome in ("unknown", "captured")}

    shopper.fill(shirt).check_out(card("tok_timeout_after_charge"))
    assert count("unknown") == before["unknown"] + 1
    for _ in range(2):
        time_passes(minutes=1)
        work()

    assert count("unknown") == before["unknown"] + 1
    assert count("captured") == before["captured"] + 1


def test_the_gateway_gets_the_trace_of_whoever_asks(monkeypatch, settings):
    seen: list[httpx.Headers] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request.headers)
        return httpx.Response(200, json={"charges": []})

    client = httpx.Client(transport=httpx.MockTransport(answer))
    monkeypatch.setattr(sandbox, "_client", lambda process: client)
    with context.bound() as bound:
        sandbox.SandboxGateway.from_settings().find(new_id())

    assert seen[0]["traceparent"][3:35] == bound.trace_id
