from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest

from contexts.cart.models import VariantPrice
from ecommerce.ids import new_id
from ecommerce.inbox.models import InboxMessage, ParkedMessage
from ecommerce.messaging import upcasting
from ecommerce.outbox import history
from tests.config.archived import HANDLER, NOON, TYPE, Listener, Ran, archive, brl, catalog_and_cart, parked

pytestmark = pytest.mark.usefixtures("only_cart_listens")


@catalog_and_cart
def test_a_replay_takes_effect_once_however_often_it_is_run(events: Ran) -> None:
    envelopes = [archive(number, price=f"{number}.00") for number in (1, 2, 3)]

    events("replay", "--context", "catalog", "--to", HANDLER)
    assert events.last_line.endswith(f"to {HANDLER}: 3 read, 3 handled, 0 ignored, 0 duplicates, 0 parked")
    assert "3 read, published up to 2026-11-20 12:00:00+00:00" in events.err.getvalue()
    prices = {str(row.variant_id): row.price for row in VariantPrice.objects.using("cart")}
    assert prices == {each.subject: brl(f"{each.sequence}.00").amount for each in envelopes}

    VariantPrice.objects.using("cart").all().delete()
    events("replay", "--context", "catalog", "--to", HANDLER)
    assert events.last_line.endswith("3 read, 0 handled, 0 ignored, 3 duplicates, 0 parked")
    assert not VariantPrice.objects.using("cart").exists()


@catalog_and_cart
def test_only_what_was_missed_takes_effect(events: Ran) -> None:
    known, missed, discarded = archive(1), archive(2), archive(3)
    for envelope, outcome in ((known, "HANDLED"), (discarded, "DISCARDED")):
        InboxMessage.objects.using("cart").create(
            consumer=HANDLER, message_id=envelope.id, event_type=TYPE, outcome=outcome, handled_at=NOON
        )

    events("replay", "--context", "catalog", "--to", HANDLER)

    assert events.last_line.endswith("3 read, 1 handled, 0 ignored, 2 duplicates, 0 parked")
    assert str(VariantPrice.objects.using("cart").get().variant_id) == missed.subject


@catalog_and_cart
def test_only_the_period_named_is_replayed(events: Ran) -> None:
    for number in range(1, 5):
        archive(number, at=NOON + timedelta(hours=number))

    events(
        "replay", "--context", "catalog", "--to", HANDLER, "--type", TYPE,
        "--since", "2026-11-20T14:00:00Z", "--until", "2026-11-20T13:00:00-03:00",
    )  # fmt: skip

    assert events.last_line.endswith("2 read, 2 handled, 0 ignored, 0 duplicates, 0 parked")
    assert set(VariantPrice.objects.using("cart").values_list("version", flat=True)) == {2, 3}


@catalog_and_cart
def test_a_dry_run_hands_nothing_over(events: Ran) -> None:
    envelopes = [archive(number) for number in (1, 2, 3)]
    InboxMessage.objects.using("cart").create(
        consumer=HANDLER, message_id=envelopes[0].id, event_type=TYPE, outcome="HANDLED", handled_at=NOON
    )
    parked(message_id=envelopes[1].id)

    events("replay", "--context", "catalog", "--to", HANDLER, "--dry-run")

    assert events.last_line == f"dry run to {HANDLER}: 3 read, 1 would be handed over, 1 duplicates, 1 parked"
    assert not VariantPrice.objects.using("cart").exists()
    assert InboxMessage.objects.using("cart").count() == 1


@catalog_and_cart
def test_events_reach_the_one_handler_marked_with_the_run(events: Ran, listener: Listener) -> None:
    sent = archive(1)

    events("replay", "--context", "catalog", "--to", "cart.listen")

    run_id = UUID(events.last_line.split()[1])
    assert run_id.version == 7
    assert listener.heard == [replace(sent, replay=str(run_id))]
    assert events.last_line.endswith("1 read, 0 handled, 1 ignored, 0 duplicates, 0 parked")
    assert list(InboxMessage.objects.using("cart").values_list("consumer", "outcome")) == [("cart.listen", "IGNORED")]


@catalog_and_cart
def test_events_are_handed_over_in_order_of_their_ids_page_by_page(
    events: Ran, listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history, "PAGE", 2)
    variant_id = new_id()
    for number in (4, 1, 5, 3, 2):
        archive(number, variant_id=variant_id, at=NOON - timedelta(minutes=number))

    events("replay", "--context", "catalog", "--to", "cart.listen")

    assert [envelope.sequence for envelope in listener.heard] == [1, 2, 3, 4, 5]


@pytest.mark.usefixtures("empty_archive")
@pytest.mark.django_db(transaction=True, databases=["catalog", "cart"])
def test_what_the_handler_cannot_take_is_parked_and_the_rest_goes_on(events: Ran, listener: Listener) -> None:
    poisoned, healthy = archive(1), archive(2)
    listener.refused = poisoned.subject

    events("replay", "--context", "catalog", "--to", "cart.listen")

    assert events.last_line.endswith("2 read, 0 handled, 1 ignored, 0 duplicates, 1 parked")
    row = ParkedMessage.objects.using("cart").get()
    assert (row.consumer, row.message_id, row.reason) == ("cart.listen", poisoned.id, "ValueError: not now")
    assert [envelope.id for envelope in listener.heard] == [healthy.id]

    events("replay", "--context", "catalog", "--to", "cart.listen")
    assert events.last_line.endswith("2 read, 0 handled, 0 ignored, 1 duplicates, 1 parked")


@catalog_and_cart
def test_what_was_parked_before_the_handler_existed_is_handed_over(events: Ran, listener: Listener) -> None:
    parked(consumer="cart", message_id=archive(1).id)

    events("replay", "--context", "catalog", "--to", "cart.listen")

    assert events.last_line.endswith("1 read, 0 handled, 1 ignored, 0 duplicates, 0 parked")
    assert len(listener.heard) == 1


@catalog_and_cart
def test_old_versions_of_what_the_handler_listens_to_are_read_too(
    events: Ran, listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    older = "catalog.variant_price_changed.v0"
    step = upcasting.Upcaster(older, TYPE, lambda data: data)
    monkeypatch.setattr(upcasting, "_upcasters", {older: step})
    archive(1)
    archive(2, type_=older)
    archive(3, type_="catalog.variant_back_in_stock.v1")

    events("replay", "--context", "catalog", "--to", "cart.listen", "--dry-run")
    assert "2 read" in events.last_line
    events("replay", "--context", "catalog", "--to", "cart.listen", "--dry-run", "--type", older)
    assert "1 read" in events.last_line
