from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import timedelta
from typing import Any

import pytest
from django.core.management import CommandError

from config import verification
from config.management.commands import events as command
from contexts.catalog.events import VariantPriceChanged
from ecommerce import clock
from ecommerce.inbox import registry
from ecommerce.inbox.models import InboxMessage
from ecommerce.messaging import upcasting
from ecommerce.outbox import history
from tests.config.archived import ALIASES, HANDLER, NOON, TYPE, Listener, Ran, all_databases, archive, parked, remote

pytestmark = pytest.mark.usefixtures("only_cart_listens")


@all_databases
def test_a_handler_that_missed_an_event_is_named(events: Ran) -> None:
    handled, missed, stuck, unknown = (archive(number) for number in (1, 2, 3, 4))
    InboxMessage.objects.using("cart").create(
        consumer=HANDLER, message_id=handled.id, event_type=TYPE, outcome="IGNORED", handled_at=NOON
    )
    parked(message_id=stuck.id, status="RETRY")
    parked(message_id=unknown.id, consumer="cart")
    archive(5, type_="catalog.nobody_listens.v1")

    with pytest.raises(CommandError, match="1 deliveries are missing") as refusal:
        events("verify")

    assert refusal.value.returncode == 1
    _, *rows, total = events.out.getvalue().splitlines()
    assert [row.split() for row in rows] == [[str(missed.id), TYPE, missed.subject, HANDLER]]
    assert total == "4 events checked, 4 deliveries expected, 1 missing"


@all_databases
def test_an_inbox_row_of_another_handler_is_no_excuse(events: Ran) -> None:
    InboxMessage.objects.using("cart").create(
        consumer="cart.flag_exhausted_coupon", message_id=archive(1).id, event_type=TYPE, outcome="HANDLED",
        handled_at=NOON,
    )  # fmt: skip
    with pytest.raises(CommandError, match="1 deliveries are missing"):
        events("verify")


@all_databases
def test_after_a_replay_nothing_is_missing(events: Ran) -> None:
    for number in range(1, 4):
        archive(number)
    events("replay", "--context", "catalog", "--to", HANDLER)

    events("verify")

    assert events.last_line == "3 events checked, 3 deliveries expected, 0 missing"


@all_databases
def test_events_within_the_grace_may_still_be_on_their_way(events: Ran) -> None:
    archive(1, at=clock.now() - timedelta(seconds=30))

    events("verify")
    assert events.last_line == "0 events checked, 0 deliveries expected, 0 missing"
    with pytest.raises(CommandError, match="1 deliveries are missing"):
        events("verify", "--grace", "10")


@all_databases
def test_only_the_period_named_is_verified(events: Ran) -> None:
    for number in range(1, 5):
        archive(number, at=NOON + timedelta(hours=number))
    with pytest.raises(CommandError, match="2 deliveries are missing"):
        events("verify", "--since", "2026-11-20T14:00:00Z", "--until", "2026-11-20T16:00:00Z")


@all_databases
def test_all_are_counted_and_the_first_fifty_shown(events: Ran, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history, "PAGE", 25)
    monkeypatch.setattr(verification, "BATCH", 10)
    for number in range(1, 61):
        archive(number)

    with pytest.raises(CommandError, match="60 deliveries are missing"):
        events("verify")

    assert events.out.getvalue().count(HANDLER) == command.SHOWN_MISSING


@all_databases
def test_a_batch_costs_the_same_statements_whatever_it_holds(
    events: Ran, statements: Callable[..., AbstractContextManager[list[str]]]
) -> None:
    archive(1)
    with statements() as few, pytest.raises(CommandError):
        events("verify")
    for number in range(2, 100):
        archive(number)
    with statements() as many, pytest.raises(CommandError):
        events("verify")

    assert len(few) == len(many) == len(ALIASES) + 1


@all_databases
def test_it_says_that_contexts_elsewhere_are_not_checked(events: Ran, settings: Any) -> None:
    remote(settings, "cart")
    archive(1)
    assert "Only the contexts that run here were checked." in events("verify")


def test_an_old_version_is_expected_by_who_hears_the_nearest_later_one(monkeypatch: pytest.MonkeyPatch) -> None:
    class Third:
        type = "catalog.variant_price_changed.v3"

    found = [
        registry.Handler("cart.first", "cart", VariantPriceChanged, Listener()),
        registry.Handler("cart.third", "cart", Third, Listener()),
    ]
    monkeypatch.setattr(registry, "_handlers", {handler.name: handler for handler in found})
    chain = ["catalog.variant_price_changed.v0", TYPE, "catalog.variant_price_changed.v2", Third.type]
    steps = [upcasting.Upcaster(older, later, dict) for older, later in zip(chain, chain[1:], strict=False)]
    monkeypatch.setattr(upcasting, "_upcasters", {step.from_type: step for step in steps})

    listening = verification._listening("cart")

    names = {type_: [handler.name for handler in handlers] for type_, handlers in listening.items()}
    assert names == dict(zip(chain, (["cart.first"], ["cart.first"], ["cart.third"], ["cart.third"]), strict=True))
