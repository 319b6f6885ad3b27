"""What workers did, on record."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connections

from ecommerce import clock
from ecommerce.observability import flow, metrics
from ecommerce.observability.flow import Flow, Recorder, history

both = pytest.mark.django_db(databases=["order", "catalog"])
STEP = timedelta(minutes=1)


@pytest.fixture(autouse=True)
def nothing_waits() -> Iterator[None]:
    waiting = metrics.OUTBOX_EVENTS.labels("order", "pending")
    waiting.set(0)
    yield
    waiting.set(0)


def lately(alias: str, *, step: timedelta = timedelta(days=1)) -> list[Flow]:
    now = clock.now()
    return history(alias, since=now - timedelta(hours=1), until=now + timedelta(minutes=1), step=step)


def row(alias: str, at: datetime, **values: float) -> None:
    facts = {**dict.fromkeys((*flow.SUMS, "waiting"), 0), **values}
    with connections[alias].cursor() as cursor:
        cursor.execute(
            f"INSERT INTO event_flow (at, {', '.join(facts)}) VALUES (%s{', %s' * len(facts)})", [at, *facts.values()]
        )


def count(alias: str, *, times: int = 1) -> None:
    metrics.OUTBOX_PROCESSED.labels(alias, "order.placed.v1", "published").inc(3 * times)
    metrics.OUTBOX_PROCESSED.labels(alias, "order.paid.v1", "published").inc(1 * times)
    metrics.OUTBOX_PROCESSED.labels(alias, "order.placed.v1", "refused").inc(100 * times)
    for outcome, amount in (("handled", 5), ("ignored", 2), ("duplicate", 4), ("parked", 100)):
        metrics.INBOX_HANDLED.labels(alias, f"{alias}.do_something", outcome).inc(amount * times)
    metrics.OUTBOX_LEASES_LOST.labels(alias).inc(6 * times)
    for seconds in (0.25, 0.5) * times:
        metrics.EVENT_SECONDS.labels(alias).observe(seconds)


@both
def test_what_the_counters_grew_by_is_added_to_the_row_of_its_context() -> None:
    count("order")
    recorder = Recorder(["order", "catalog"])
    count("order")
    metrics.OUTBOX_EVENTS.labels("order", "pending").set(7)
    metrics.OUTBOX_EVENTS.labels("order", "blocked").set(50)

    recorder.write()

    [found] = lately("order")
    assert found[1:] == pytest.approx((4, 7, 4, 6, 2, 0.75, 7))
    assert [each[1:] for each in lately("catalog")] == [(0, 0, 0, 0, 0, 0.0, 0)]


@both
def test_several_workers_are_added_up_and_nothing_is_written_twice() -> None:
    first, second = Recorder(["order"]), Recorder(["order"])
    count("order")
    metrics.OUTBOX_EVENTS.labels("order", "pending").set(7)
    first.write()
    metrics.OUTBOX_EVENTS.labels("order", "pending").set(2)
    for recorder in (second, first, second):
        recorder.write()

    [found] = lately("order")
    assert found[1:] == pytest.approx((8, 14, 8, 12, 4, 1.5, 7))


@both
def test_a_database_that_does_not_answer_is_told_later_and_stops_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    recorder = Recorder(["order", "catalog"])
    count("order")
    count("catalog")
    closed: list[str] = []
    monkeypatch.setattr(connections["order"], "close", lambda: closed.append("order"))

    class Broken:
        def __enter__(self) -> Any:
            raise flow.DatabaseError("gone")

        def __exit__(self, *_: object) -> None: ...

    with monkeypatch.context() as patched:
        patched.setattr(connections["order"], "cursor", Broken)
        recorder.write()
    assert closed == ["order"]
    assert lately("order") == []
    assert [each.published for each in lately("catalog")] == [4]

    recorder.write()
    assert [each.published for each in lately("order")] == [4]
    assert [each.published for each in lately("catalog")] == [4]


@both
def test_history_is_summed_step_by_step_and_has_no_step_without_a_worker() -> None:
    start = clock.now().replace(second=0, microsecond=0) - timedelta(minutes=10)
    row("order", start - timedelta(seconds=10), published=1000)
    row("order", start, published=1, waiting=9, effects=1, effect_seconds=0.5)
    row("order", start + timedelta(seconds=50), published=2, waiting=4)
    row("order", start + timedelta(minutes=2), handled=5)
    row("order", start + timedelta(minutes=3), published=1000)
    row("catalog", start, published=70)

    found = history("order", since=start, until=start + timedelta(minutes=3), step=STEP)

    assert found == [
        Flow(start, 3, 0, 0, 0, 1, 0.5, 9),
        Flow(start + timedelta(minutes=2), 0, 5, 0, 0, 0, 0.0, 0),
    ]


@both
def test_what_is_old_is_forgotten_once_an_hour() -> None:
    old = clock.now() - timedelta(days=3)
    recorder = Recorder(["order"])
    row("order", old)
    recorder.write()
    assert len(history("order", since=old, until=clock.now() + STEP, step=timedelta(days=1))) == 1

    row("order", old)
    recorder.write()
    assert len(history("order", since=old, until=clock.now() + STEP, step=timedelta(days=1))) == 2


@both
def test_a_worker_that_stops_writes_what_is_left() -> None:
    recorder = Recorder(["order"])
    count("order")
    stop = threading.Event()
    stop.set()

    recorder.run(stop)

    assert [each.published for each in lately("order")] == [4]
