from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ecommerce.inbox.registry import bindings, handlers
from ecommerce.messaging import upcasting
from ecommerce.messaging.upcasting import upcaster
from ecommerce.topology import Topology, current


@pytest.fixture(autouse=True)
def _no_upcasters(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upcasting, "_upcasters", {})


def test_a_queue_is_bound_to_what_its_context_handles() -> None:
    assert bindings() == {
        context.queue: sorted({handler.event.type for handler in handlers(context=context.name)})
        for context in current().contexts
    }


def test_only_queues_of_local_contexts_are_bound(settings: Any) -> None:
    first, *others = current().contexts
    settings.TOPOLOGY = Topology((replace(first, local=False), *others))

    assert list(bindings()) == [context.queue for context in others]


def test_a_queue_is_bound_to_older_versions_of_what_its_context_handles() -> None:
    (handler,) = handlers(event_type="promotion.coupon_exhausted.v1")
    before = bindings()

    upcaster(from_type="promotion.coupon_exhausted.v0", to=handler.event)(dict)

    assert handler.context == "cart"
    assert bindings() == {**before, "cart_events": sorted([*before["cart_events"], "promotion.coupon_exhausted.v0"])}
