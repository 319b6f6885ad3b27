"""The figures of the events page: from the databases alone, in a bounded number of statements."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import OperationalError, connections

from config import flow
from config.flow import WINDOWS, ContextNow, Now, take
from ecommerce import clock
from ecommerce.ids import new_id
from ecommerce.inbox import runs
from ecommerce.observability.flow import SUMS
from tests.config.archived import ALIASES, HANDLER, NOON, TYPE, all_databases, held, parked, remote

pytestmark = all_databases
NOW = datetime(2026, 11, 28, 12, 0, 30, tzinfo=UTC)
HOUR = WINDOWS["1h"]


def of(name: str, now: Now) -> ContextNow:
    return next(context for context in now.contexts if context.name == name)


def went_through(alias: str, at: datetime, **values: float) -> None:
    facts = {**dict.fromkeys((*SUMS, "waiting"), 0), **values}
    with connections[alias].cursor() as cursor:
        cursor.execute(
            f"INSERT INTO event_flow (at, {', '.join(facts)}) VALUES (%s{', %s' * len(facts)})", [at, *facts.values()]
        )


def relay_seen(alias: str, *, ago: float) -> None:
    with connections[alias].cursor() as cursor:
        cursor.execute(
            "INSERT INTO outbox_relay VALUES (%s, clock_timestamp() - make_interval(secs => %s))", [new_id(), ago]
        )


def test_what_waits_now_is_counted_in_each_context() -> None:
    for version, status in enumerate(("PENDING", "PENDING", "BLOCKED", "PARKED")):
        held(status, version=version)
    for status in ("RETRY", "RETRY", "PARKED"):
        parked(status=status)
    for _ in range(2):
        run, _ = runs.begin(
            "cart", new_id(), publisher="catalog", handler=HANDLER, types=[TYPE], since=NOON, until=NOON,
            aggregate_id="", expected=None, reason="x", actor="user:1", now=NOON,
        )  # fmt: skip
    runs.cancel("cart", run.id, reason="x", actor="user:1", now=NOON)
    relay_seen("cart", ago=1)
    relay_seen("order", ago=60)

    now = take(HOUR, now=clock.now())

    cart = of("cart", now)
    assert (cart.pending, cart.blocked, cart.parked, cart.retrying, cart.inbox_parked) == (2, 1, 1, 2, 1)
    assert cart.replays == 1
    assert cart.oldest is not None
    assert 90 <= cart.oldest < 120
    assert (of("order", now).pending, of("order", now).oldest) == (0, None)
    assert {name for name in ALIASES if of(name, now).worker} == {"cart"}


def test_counts_end_at_their_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flow, "COUNT_AT_MOST", 2)
    for version in range(4):
        held("PENDING", version=version)
        held("PARKED", version=version)
        parked()
    cart = of("cart", take(HOUR, now=clock.now()))
    assert (cart.pending, cart.parked, cart.inbox_parked) == (2, 2, 2)


def test_rates_are_of_the_last_step_and_sums_of_the_window() -> None:
    minute = NOW.replace(second=0)
    for ago, figures in (
        (timedelta(minutes=61), {"duplicates": 1000, "published": 1000}),
        (timedelta(minutes=30), {"duplicates": 2, "leases_lost": 1, "effects": 1, "effect_seconds": 4.0, "waiting": 5}),
        (timedelta(seconds=60), {"published": 30, "handled": 60, "effects": 3, "effect_seconds": 2.0}),
        (timedelta(seconds=10), {"published": 30, "handled": 60, "duplicates": 3, "waiting": 1}),
        (timedelta(seconds=-10), {"published": 1000, "handled": 1000, "duplicates": 1000}),
    ):
        went_through("cart", minute - ago, **figures)

    now = take(HOUR, now=NOW)

    cart = of("cart", now)
    assert (cart.published, cart.handled) == (1.0, 2.0)
    assert (cart.duplicates, cart.leases_lost, cart.seconds) == (5, 1, 1.5)
    assert (len(now.times), now.times[0], now.times[-1]) == (60, minute - timedelta(hours=1), minute - HOUR.step)
    assert [(at, value) for at, value in enumerate(cart.series.waiting) if value is not None] == [(30, 5), (59, 1)]
    assert [value for value in cart.series.seconds if value is not None] == [4.0, 2 / 3]
    assert {len(series) for series in (cart.series.published, cart.series.handled, cart.series.seconds)} == {60}
    assert (of("order", now).published, of("order", now).seconds) == (None, None)


def test_a_step_is_shown_once_workers_had_the_time_to_write_it() -> None:
    window = WINDOWS["10m"]
    assert take(window, now=NOW + timedelta(seconds=1)).times[-1] == NOW - 2 * window.step
    assert take(window, now=NOW + timedelta(seconds=3)).times[-1] == NOW - window.step


@pytest.mark.parametrize("window", WINDOWS.values(), ids=WINDOWS)
def test_every_window_has_about_as_many_steps(window: flow.Window) -> None:
    now = take(window, now=NOW)
    assert 60 <= len(now.times) <= 72
    assert now.times[0] == now.times[-1] + window.step - window.length


def test_three_statements_for_each_context_however_much_there_is(statements: Any) -> None:
    counts = []
    for number in (1, 30):
        for version in range(number):
            held("PENDING", version=version)
            parked()
            went_through("cart", NOW - timedelta(seconds=10 * (version + number)))
        with statements() as executed:
            take(HOUR, now=NOW)
        counts.append(len(executed))
        assert not [sql for sql in executed if "outbox_archive" in sql or "inbox_message" in sql]
    assert counts == [3 * len(ALIASES)] * 2


def test_a_database_that_does_not_answer_hides_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = flow.inbox.now

    def refuse(alias: str, *, most: int) -> Any:
        if alias == "cart":
            raise OperationalError("gone")
        return asked(alias, most=most)

    monkeypatch.setattr(flow.inbox, "now", refuse)
    monkeypatch.setattr(connections["cart"], "close", lambda: None)

    now = take(HOUR, now=NOW)

    assert {context.name for context in now.contexts if not context.healthy} == {"cart"}
    assert len(now.contexts) == len(ALIASES)


def test_a_context_that_runs_elsewhere_is_named_and_not_asked(settings: Any, statements: Any) -> None:
    remote(settings, "cart")
    with statements("cart") as executed:
        cart = of("cart", take(HOUR, now=NOW))
    assert (cart.local, cart.healthy, executed) == (False, False, [])
