"""The events command: what it shows, retries and refuses."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.management import CommandError
from django.db import OperationalError

from config.management.commands import events as command
from ecommerce.inbox import figures as inbox_figures
from ecommerce.inbox.models import ParkedMessage
from ecommerce.outbox import figures as outbox_figures
from ecommerce.outbox.models import OutboxEvent
from ecommerce.topology import current
from tests.config.archived import ALIASES, HANDLER, TYPE, Ran, all_databases, cart_only, held, parked, remote

pytestmark = pytest.mark.usefixtures("only_cart_listens", "woken")


# --- status --------------------------------------------------------------------------------------------------------
@all_databases
def test_status_has_a_line_for_each_context(events: Ran) -> None:
    for version, status in enumerate(("PENDING", "PENDING", "BLOCKED", "PARKED")):
        held(status, version=version)
    for status in ("RETRY", "PARKED", "PARKED"):
        parked(status=status)

    lines = {line.split()[0]: line.split()[1:] for line in events("status").splitlines()}

    assert lines.keys() >= set(ALIASES)
    pending, blocked, stuck, oldest, *_, waiting, left = lines["cart"]
    assert (pending, blocked, stuck, waiting, left) == ("2", "1", "1", "1", "2")
    assert 90 <= int(oldest) < 120
    assert lines["catalog"][:4] == ["0", "0", "0", "-"]


@all_databases
def test_watching_draws_anew_until_it_is_interrupted(events: Ran, monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []

    def sleep(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr(command.time, "sleep", sleep)

    assert events("status", "--watch", "2.5").count(command.CLEAR) == 3
    assert pauses == [2.5, 2.5, 2.5]


@all_databases
def test_a_database_that_does_not_answer_hides_no_other(events: Ran, monkeypatch: pytest.MonkeyPatch) -> None:
    real = inbox_figures.figures

    def figures(alias: str) -> inbox_figures.InboxFigures:
        if alias == "cart":
            raise OperationalError("gone")
        return real(alias)

    monkeypatch.setattr(inbox_figures, "figures", figures)

    lines = {line.split()[0]: line for line in events("status").splitlines()}

    assert "no answer: OperationalError" in lines["cart"]
    assert lines["order"].split()[1:4] == ["0", "0", "0"]


@pytest.mark.parametrize("arguments", [["parked"], ["retry", "--context", "cart", "--all"]])
def test_a_database_that_does_not_answer_is_told_in_one_line(
    events: Ran, monkeypatch: pytest.MonkeyPatch, arguments: list[str]
) -> None:
    def refuse(alias: str, **_: int) -> None:
        raise OperationalError("gone")

    monkeypatch.setattr(outbox_figures, "held", refuse)
    monkeypatch.setattr(outbox_figures, "held_ids", refuse)

    with pytest.raises(CommandError, match="A database did not answer as it should: gone"):
        events(*arguments)


@pytest.mark.parametrize("seconds", ["often", "-1"])
def test_watching_needs_a_number_of_seconds(events: Ran, seconds: str) -> None:
    with pytest.raises(CommandError, match="no number of seconds"):
        events("status", f"--watch={seconds}")


# --- parked --------------------------------------------------------------------------------------------------------
@cart_only
def test_what_is_held_is_listed_with_its_reason(events: Ran) -> None:
    event, message = held("BLOCKED"), parked()
    held("PENDING", version=2)

    lines = [line.split() for line in events("parked", "--context", "cart").splitlines()]

    reason = ["no", "queue", "is", "bound", "to", "this", "type"]
    assert [str(event.id), "cart.abandoned.v1", event.aggregate_id, "BLOCKED", "10", *reason] in lines
    assert [str(message.id), HANDLER, TYPE, message.partition_key, "PARKED", "7", "ValueError:", "not", "now"] in lines
    assert len(lines) == 8


@all_databases
def test_without_a_context_all_are_listed(events: Ran) -> None:
    parked()
    text = events("parked")
    assert "cart inbox" in text
    assert [line for line in text.splitlines() if "nothing is parked" in line] == [
        f"{name}: nothing is parked" for name in current().by_name if name != "cart"
    ]


@cart_only
def test_a_long_list_is_cut_and_says_so(events: Ran, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "SHOWN_PARKED", 2)
    for _ in range(3):
        parked()
    text = events("parked", "--context", "cart")
    assert text.count(HANDLER) == 2
    assert "only the first 2 are shown" in text


# --- retry ---------------------------------------------------------------------------------------------------------
@cart_only
def test_the_events_named_are_tried_again_and_no_other(events: Ran, woken: list[str]) -> None:
    named, other, message = held("PARKED"), held("BLOCKED", version=2), parked()

    text = events("retry", "--context", "cart", "--outbox", named.id)

    assert "1 outbox event(s), 0 inbox message(s)" in text
    assert woken == ["cart"]
    statuses = OutboxEvent.objects.using("cart").order_by("id").values_list("id", "status", "attempts")
    assert list(statuses) == [(named.id, "PENDING", 0), (other.id, "BLOCKED", 10)]
    message.refresh_from_db(using="cart")
    assert message.status == "PARKED"


@cart_only
def test_the_messages_named_are_tried_again_and_no_other(events: Ran) -> None:
    first, second, third = parked(), parked(), parked()

    assert "0 outbox event(s), 2 inbox message(s)" in events("retry", "--context=cart", "--inbox", first.id, third.id)

    statuses = ParkedMessage.objects.using("cart").order_by("id").values_list("id", "status")
    assert list(statuses) == [(first.id, "RETRY"), (second.id, "PARKED"), (third.id, "RETRY")]


@cart_only
def test_all_means_both_tables(events: Ran) -> None:
    held("PARKED")
    held("BLOCKED", version=2)
    parked()
    parked(consumer="cart", type_="catalog.nobody_knows.v1")

    assert "2 outbox event(s), 1 inbox message(s)" in events("retry", "--context", "cart", "--all")

    assert not OutboxEvent.objects.using("cart").exclude(status="PENDING").exists()
    assert ParkedMessage.objects.using("cart").get(status="RETRY").consumer == HANDLER


@cart_only
@pytest.mark.parametrize("table", ["--outbox", "--inbox"])
def test_one_unknown_id_and_nothing_is_changed(events: Ran, table: str) -> None:
    known = held("PARKED").id if table == "--outbox" else parked().id

    with pytest.raises(CommandError, match=r": 987654321\. Nothing was changed") as refusal:
        events("retry", "--context", "cart", table, known, 987654321)

    assert refusal.value.returncode == 1
    assert not OutboxEvent.objects.using("cart").filter(status="PENDING").exists()
    assert not ParkedMessage.objects.using("cart").filter(status="RETRY").exists()


@cart_only
def test_a_message_that_no_handler_knew_is_retried_once_one_does(events: Ran) -> None:
    late = parked(consumer="cart")

    assert "1 inbox message(s)" in events("retry", "--context", "cart", "--inbox", late.id)

    message = ParkedMessage.objects.using("cart").get()
    assert (message.consumer, message.message_id, message.status) == (HANDLER, late.message_id, "RETRY")


@cart_only
def test_a_message_that_no_handler_knows_cannot_be_retried(events: Ran) -> None:
    unknown = parked(consumer="cart", type_="catalog.nobody_knows.v1")
    with pytest.raises(CommandError, match="can be retried"):
        events("retry", "--context", "cart", "--inbox", unknown.id)


@cart_only
def test_a_pending_event_is_nothing_to_retry(events: Ran) -> None:
    with pytest.raises(CommandError, match="Not blocked or parked"):
        events("retry", "--context", "cart", "--outbox", held("PENDING").id)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["retry", "--all"], "--context"),
        (["retry", "--context", "cart"], "one of the arguments"),
        (["retry", "--context", "cart", "--all", "--inbox", "1"], "not allowed with"),
        (["retry", "--context", "carts", "--all"], "There is no context carts. There are: identity, catalog"),
        (["parked", "--context", "carts"], "There is no context carts"),
        (["replay", "--context", "carts", "--to", HANDLER], "There is no context carts"),
        (["replay", "--context", "catalog", "--to", "cart.forget"], f"There is no handler cart.forget.*{HANDLER}"),
        (["replay", "--context", "catalog", "--to", "basket.forget"], "There is no context basket"),
        (["replay", "--context", "order", "--to", HANDLER], f"{TYPE}, which order does not publish"),
        (
            ["replay", "--context", "catalog", "--to", HANDLER, "--type", TYPE, "catalog.variant_back_in_stock.v1"],
            f"{HANDLER} listens to {TYPE}, not to catalog.variant_back_in_stock.v1",
        ),
        (["replay", "--context", "catalog", "--to", HANDLER, "--since", "2026-11-20T12:00:00"], "with an offset"),
        (["replay", "--context", "catalog", "--to", HANDLER, "--until", "yesterday"], "with an offset"),
        (["verify", "--since", "2026-11-20"], "with an offset"),
        (["verify", "--since", "2026-11-20T12:00:00Z", "--until", "2026-11-20T09:00:00-03:00"], "Nothing is published"),
        (["verify", "--grace", "soon"], "no number of seconds"),
        ([], "ACTION"),
    ],
)
def test_what_makes_no_sense_is_refused_before_any_database_is_asked(
    events: Ran, arguments: list[str], text: str
) -> None:
    with pytest.raises(CommandError, match=text):
        events(*arguments)


@pytest.mark.parametrize(
    "arguments",
    [
        ["parked", "--context", "cart"],
        ["retry", "--context", "cart", "--all"],
        ["replay", "--context", "catalog", "--to", HANDLER],
        ["replay", "--context", "cart", "--to", "notification.remind_of_cart"],
    ],
)
def test_a_context_that_runs_elsewhere_is_refused(events: Ran, settings: Any, arguments: list[str]) -> None:
    remote(settings, "cart")
    with pytest.raises(CommandError, match="The context cart does not run here"):
        events(*arguments)
