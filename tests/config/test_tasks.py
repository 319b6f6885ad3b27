"""Replays asked for in the back office: brought on by whichever worker is there, once, until they end."""

from __future__ import annotations

from datetime import timedelta
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest
from django.conf import settings
from django.db import OperationalError

import config.replay
from config import tasks
from config.celery import app
from config.tasks import continue_replays
from contexts.cart.models import VariantPrice
from ecommerce import clock
from ecommerce.ids import new_id
from ecommerce.inbox import runs
from ecommerce.inbox.models import InboxMessage, InboxStart, ReplayRun
from tests.config.archived import (
    ALIASES,
    HANDLER,
    NOON,
    TYPE,
    Listener,
    all_databases,
    archive,
    parked,
    remote,
)

pytestmark = [all_databases, pytest.mark.usefixtures("only_cart_listens")]


@pytest.fixture(autouse=True)
def pages_of_two(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(config.replay, "LOOKED_UP", 2)


def asked(*, handler: str = HANDLER, publisher: str = "catalog", subject: str = "", run_id: UUID | None = None) -> UUID:
    run, _ = runs.begin(
        "cart", run_id or new_id(), publisher=publisher, handler=handler, types=[TYPE], since=NOON,
        until=NOON + timedelta(days=1), aggregate_id=subject, expected=None, reason="faltaram", actor="user:1",
        now=clock.now(),
    )  # fmt: skip
    return run.id


def stored(run_id: UUID) -> ReplayRun:
    return ReplayRun.objects.using("cart").get(id=run_id)


def figures(run_id: UUID) -> tuple[Any, ...]:
    run = stored(run_id)
    return run.status, run.read, run.handled, run.ignored, run.duplicates, run.parked


def test_the_worker_knows_the_task_and_beat_sends_it() -> None:
    app.loader.import_default_modules()
    assert continue_replays.name in app.tasks
    assert continue_replays.name in {entry["task"] for entry in settings.CELERY_BEAT_SCHEDULE.values()}


def test_a_run_takes_effect_once_and_says_so() -> None:
    events = [archive(number, at=NOON + timedelta(minutes=number)) for number in range(1, 6)]
    archive(6, at=NOON + timedelta(days=2))
    run_id = asked()

    assert continue_replays() == 5

    assert figures(run_id) == ("DONE", 5, 5, 0, 0, 0)
    assert stored(run_id).ended_at is not None
    assert {str(row.variant_id) for row in VariantPrice.objects.using("cart")} == {event.subject for event in events}
    assert continue_replays() == 0


def test_what_was_handled_before_has_no_second_effect() -> None:
    archive(1)
    first, second = asked(), asked()

    continue_replays()

    assert (figures(first), figures(second)) == (("DONE", 1, 1, 0, 0, 0), ("DONE", 1, 0, 0, 1, 0))


def test_asking_twice_by_one_id_begins_once() -> None:
    run_id = asked()
    assert asked(run_id=run_id) == run_id
    assert ReplayRun.objects.using("cart").count() == 1


def test_only_the_aggregate_named_is_replayed() -> None:
    archive(1)
    wanted = archive(2)
    run_id = asked(subject=wanted.subject)

    continue_replays()

    assert figures(run_id) == ("DONE", 1, 1, 0, 0, 0)
    assert str(VariantPrice.objects.using("cart").get().variant_id) == wanted.subject


def test_a_run_that_was_cancelled_stops_behind_the_page_in_hand(
    listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    events = [archive(number) for number in range(1, 7)]
    run_id = asked(handler="cart.listen")
    keep = runs.keep

    def cancelled_meanwhile(run: ReplayRun) -> bool:
        assert keep(run) is True
        assert runs.cancel("cart", run_id, reason="engano", actor="user:2", now=clock.now()) is True
        return keep(run)

    monkeypatch.setattr(runs, "keep", cancelled_meanwhile)
    continue_replays()

    assert [envelope.id for envelope in listener.heard] == [event.id for event in events[:2]]
    assert figures(run_id)[:2] == ("CANCELLED", 2)
    monkeypatch.undo()
    assert continue_replays() == 0
    assert runs.cancel("cart", run_id, reason="de novo", actor="user:2", now=clock.now()) is False


def test_a_long_run_is_let_go_and_taken_up_where_it_was(listener: Listener, monkeypatch: pytest.MonkeyPatch) -> None:
    events = [archive(number) for number in range(1, 6)]
    run_id = asked(handler="cart.listen")
    with monkeypatch.context() as patched:
        patched.setattr(tasks, "time", SimpleNamespace(monotonic=lambda: 15.0 * len(listener.heard)))
        assert continue_replays() == 2
    assert figures(run_id) == ("RUNNING", 2, 0, 2, 0, 0)
    assert stored(run_id).lease_owner is None

    continue_replays()

    assert figures(run_id) == ("DONE", 5, 0, 5, 0, 0)
    assert [envelope.id for envelope in listener.heard] == [event.id for event in events]


def killed_after(pages: int, run_id: UUID, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the worker end without a word after some pages, and its lease lapse."""
    done = 0
    keep = runs.keep

    class Killed(BaseException): ...

    def die(run: ReplayRun) -> bool:
        nonlocal done
        done += 1
        if done > pages:
            raise Killed
        return keep(run)

    with monkeypatch.context() as patched:
        patched.setattr(runs, "keep", die)
        with pytest.raises(Killed):
            continue_replays()
    assert stored(run_id).lease_owner is not None


def test_a_run_whose_worker_was_killed_is_left_alone_for_the_lease_and_then_finished(
    listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    events = [archive(number) for number in range(1, 6)]
    run_id = asked(handler="cart.listen")
    killed_after(1, run_id, monkeypatch)
    assert (stored(run_id).read, len(listener.heard)) == (2, 4)

    assert continue_replays() == 0
    ReplayRun.objects.using("cart").update(lease_until=clock.now() - timedelta(seconds=1))
    assert continue_replays() == 3

    assert [envelope.id for envelope in listener.heard] == [event.id for event in events]
    assert figures(run_id) == ("DONE", 5, 0, 3, 2, 0)


def test_what_may_have_killed_the_worker_is_begun_with_care(
    listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    killer, _ = archive(1), archive(2)
    run_id = asked(handler="cart.listen")
    killed_after(0, run_id, monkeypatch)
    InboxMessage.objects.using("cart").all().delete()
    InboxStart.objects.using("cart").create(consumer="cart.listen", message_id=killer.id, starts=5)
    ReplayRun.objects.using("cart").update(lease_until=clock.now() - timedelta(seconds=1))

    continue_replays()

    assert figures(run_id) == ("DONE", 2, 0, 1, 0, 1)


def test_whoever_lost_the_run_writes_nothing_of_it() -> None:
    archive(1)
    run_id = asked()
    taken = runs.take("cart")
    assert taken is not None
    ReplayRun.objects.using("cart").update(lease_until=clock.now() - timedelta(seconds=1))
    other = runs.take("cart")
    assert other is not None
    assert other.left_behind

    taken.run.read = 99
    assert runs.keep(taken.run) is False
    runs.end(taken.run, now=clock.now())
    runs.let_go(taken.run)

    assert figures(run_id)[:2] == ("RUNNING", 0)
    assert stored(run_id).lease_owner == other.run.lease_owner


def test_a_worker_is_at_one_replay_at_a_time() -> None:
    archive(1)
    asked()
    with tasks._one_at_a_time:
        assert continue_replays() == 0
    assert continue_replays() == 1


@pytest.mark.parametrize("gone", ["handler", "publisher"])
def test_a_run_that_nobody_can_go_on_with_says_why(gone: str, settings: Any) -> None:
    if gone == "publisher":
        remote(settings, "catalog")
    run_id = asked(handler="cart.forgotten" if gone == "handler" else HANDLER)

    continue_replays()

    run = stored(run_id)
    assert run.status == "FAILED"
    missing = "handler cart.forgotten" if gone == "handler" else "context catalog"
    assert run.error == f"the {missing} does not run here"


def test_an_error_is_told_and_the_run_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    archive(1)
    run_id = asked()

    def refuse(*_: object, **__: object) -> None:
        raise OperationalError("gone")

    with monkeypatch.context() as patched:
        patched.setattr(config.replay, "references", refuse)
        continue_replays()
    assert (stored(run_id).status, stored(run_id).error) == ("RUNNING", "OperationalError: gone")

    ReplayRun.objects.using("cart").update(lease_until=clock.now() - timedelta(seconds=1))
    continue_replays()
    assert (stored(run_id).status, stored(run_id).error) == ("DONE", "")


def test_a_context_whose_database_is_away_does_not_stop_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    archive(1)
    run_id = asked()
    take = runs.take

    def without_identity(alias: str) -> runs.Taken | None:
        if alias == ALIASES[0]:
            raise OperationalError("the server is gone")
        return take(alias)

    monkeypatch.setattr(runs, "take", without_identity)
    continue_replays()

    assert stored(run_id).status == "DONE"


def test_with_nothing_to_do_a_context_is_asked_once(statements: Any) -> None:
    with statements() as executed:
        continue_replays()
    assert len(executed) == len(ALIASES)


def test_what_is_parked_already_is_counted_as_that() -> None:
    event = archive(1)
    parked(message_id=event.id)
    run_id = asked()

    continue_replays()

    assert figures(run_id) == ("DONE", 1, 0, 0, 0, 1)
