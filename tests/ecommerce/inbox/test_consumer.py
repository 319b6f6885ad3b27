"""The consumer: effects happen once, failures stop one key, poison is kept."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from django.db import connections
from prometheus_client import REGISTRY

from contexts.order.events import OrderPlaced
from ecommerce import clock, codec
from ecommerce.errors import Unreachable
from ecommerce.ids import new_id
from ecommerce.inbox import staff
from ecommerce.inbox.consumer import KILLER, MAX_ATTEMPTS, Consumer
from ecommerce.inbox.models import InboxMessage, InboxStart, ParkedMessage
from ecommerce.messaging import upcasting
from ecommerce.messaging.broker import Delivery
from ecommerce.messaging.envelope import PREFIX, Envelope
from ecommerce.messaging.pgmq import PgmqBroker
from ecommerce.messaging.upcasting import upcaster
from ecommerce.topology import current
from tests.ecommerce.inbox.effects import Effects, delivery, retry, written

pytestmark = pytest.mark.django_db(transaction=True, databases=["order"])


def test_the_effect_and_the_inbox_row_commit_together(consumer: Consumer) -> None:
    order_id = new_id()
    consumer.handle([delivery(order_id)])

    assert written() == [(order_id, 1)]
    assert InboxMessage.objects.using("order").get().consumer == "order.test_effect"


def test_a_message_delivered_many_times_in_parallel_takes_effect_once(consumer: Consumer) -> None:
    same, barrier = delivery(new_id()), threading.Barrier(8)

    def handle() -> None:
        barrier.wait()
        consumer.handle([same])
        connections.close_all()

    threads = [threading.Thread(target=handle) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)

    assert len(written()) == 1
    assert not ParkedMessage.objects.using("order").exists()


def test_a_failed_handler_leaves_no_trace_and_is_tried_again(consumer: Consumer, effects: Effects) -> None:
    order_id = new_id()
    effects.failing = {order_id}
    consumer.handle([delivery(order_id)])
    assert not written()
    assert not InboxMessage.objects.using("order").exists()

    effects.failing = set()
    retry(consumer)

    assert written() == [(order_id, 1)]
    assert not ParkedMessage.objects.using("order").exists()


def test_a_failing_message_holds_back_its_own_key_in_order_and_no_other(consumer: Consumer, effects: Effects) -> None:
    poisoned, healthy = new_id(), new_id()
    effects.failing = {poisoned}
    consumer.handle([delivery(poisoned, 1), delivery(healthy, 1), delivery(poisoned, 2)])
    consumer.handle([delivery(poisoned, 3)])
    assert written() == [(healthy, 1)]

    effects.failing = set()
    for _ in range(3):
        retry(consumer)

    assert [version for order_id, version in written() if order_id == poisoned] == [1, 2, 3]


@pytest.mark.parametrize("together", [True, False])
def test_a_version_that_comes_after_a_later_one_waits_for_a_person(consumer: Consumer, together: bool) -> None:
    order_id, other = new_id(), new_id()
    messages = [delivery(order_id, 2), delivery(order_id, 1), delivery(other, 1), delivery(order_id, 3)]
    for batch in [messages] if together else [[message] for message in messages]:
        consumer.handle(batch)

    parked = ParkedMessage.objects.using("order").order_by("id").first()
    assert parked is not None
    assert (parked.status, parked.reason.partition(":")[0]) == ("PARKED", "Overtaken")
    assert (other, 1) in written()
    assert [version for order, version in written() if order == order_id] == ([2, 3] if together else [2])

    staff.retry("order", [parked.pk], now=clock.now())
    for _ in range(2):
        retry(consumer)

    assert [version for order, version in written() if order == order_id] == [1, 2, 3], "whoever retries it wants it"


def test_a_replay_hands_over_earlier_versions_beside_the_consumer(consumer: Consumer) -> None:
    order_id = new_id()
    consumer.handle([delivery(order_id, 2)])
    again = delivery(order_id, 1)
    consumer.handle([Delivery(1, {**again.headers, f"{PREFIX}replay": "run"}, again.data)])

    assert written() == [(order_id, 1), (order_id, 2)]


@pytest.mark.parametrize("hours", [-3, 3])
def test_pauses_do_not_depend_on_the_clock_of_the_worker_that_parked(
    consumer: Consumer, effects: Effects, monkeypatch: pytest.MonkeyPatch, hours: int
) -> None:
    order_id = new_id()
    effects.failing = {order_id}
    with monkeypatch.context() as wrong:
        wrong.setattr(clock, "now", lambda: datetime.now(UTC) + timedelta(hours=hours))
        consumer.handle([delivery(order_id)])

    due = ParkedMessage.objects.using("order").get().available_at
    assert abs(due - clock.now()) < timedelta(minutes=1)


def test_a_message_that_never_succeeds_is_parked_with_its_reason(consumer: Consumer, effects: Effects) -> None:
    order_id = new_id()
    effects.failing = {order_id}
    consumer.handle([delivery(order_id)])
    for _ in range(MAX_ATTEMPTS):
        retry(consumer)

    parked = ParkedMessage.objects.using("order").get()
    assert (parked.status, parked.attempts, parked.reason) == ("PARKED", MAX_ATTEMPTS, "ValueError: not now")


@pytest.mark.parametrize("error", [ValueError("not now"), Unreachable("catalog is down")])
def test_attempts_that_fail_again_are_counted_apart_from_what_is_parked(
    consumer: Consumer, effects: Effects, error: Exception
) -> None:
    def counted(outcome: str) -> float:
        labels = {"service": "order", "consumer": "order.test_effect", "outcome": outcome}
        return REGISTRY.get_sample_value("inbox_messages_handled_total", labels) or 0.0

    order_id = new_id()
    effects.failing, effects.error = {order_id}, error
    parked, failed = counted("parked"), counted("failed")
    consumer.handle([delivery(order_id)])
    for _ in range(2):
        retry(consumer)

    assert (counted("parked"), counted("failed")) == (parked + 1, failed + 2)


def test_a_handler_that_tries_to_end_the_process_is_parked_like_any_failure(
    consumer: Consumer, effects: Effects
) -> None:
    order_id = new_id()
    effects.failing, effects.error = {order_id}, SystemExit(3)

    consumer.handle([delivery(order_id)])

    assert "tried to end the process" in ParkedMessage.objects.using("order").get().reason


def test_the_message_that_kills_its_consumer_again_and_again_is_parked_and_no_other(
    consumer: Consumer, effects: Effects, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        """Nothing catches this, as nothing would catch SIGKILL."""

    killer, real = new_id(), Effects.__call__

    def kill(self: Effects, event: OrderPlaced, envelope: Envelope) -> None:
        if event.order_id == killer:
            raise Killed
        real(self, event, envelope)

    monkeypatch.setattr(Effects, "__call__", kill)
    batch = [delivery(new_id(), 1, again=True), delivery(killer, 2, again=True), delivery(new_id(), 3, again=True)]
    for _ in range(KILLER):
        with pytest.raises(Killed):
            consumer.handle(batch)
    consumer.handle(batch)

    assert [version for _, version in written()] == [1, 3]
    parked = ParkedMessage.objects.using("order").get()
    assert (parked.partition_key, parked.status) == (str(killer), "PARKED")
    assert "begun 6 times" in parked.reason
    assert not InboxStart.objects.using("order").exists()


# --- poison --------------------------------------------------------------------------------------------------------
def test_undecodable_data_and_envelopes_are_parked_at_once(consumer: Consumer) -> None:
    good = delivery(new_id())
    consumer.handle([Delivery(1, good.headers, b"{not json"), Delivery(2, {"x": "y"}, b"{}")])

    assert [row.status for row in ParkedMessage.objects.using("order").order_by("id")] == ["PARKED", "PARKED"]


UNTYPED = {
    "x-death": [{"queue": "order", "time": datetime(2026, 11, 23), "count": 1}],
    "bytes": b"\xff\x00",
    "text\0": "a\0b\ud800",
    "numbers": [1, 0.5, float("nan"), Decimal("0.1"), True, None],
}
"""Headers that AMQP takes and JSON, or PostgreSQL's JSON, does not."""


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        ({}, b"\0{not json"),
        (UNTYPED, None),
        ({f"{PREFIX}sequence": None}, None),
        ({f"{PREFIX}sequence": float("inf")}, None),
        ({f"{PREFIX}sequence": 10**30}, None),
        ({f"{PREFIX}partitionkey": "k" * 61}, None),
        ({f"{PREFIX}partitionkey": "k\0"}, None),
        ({f"{PREFIX}type": "t" * 101}, None),
        ({f"{PREFIX}type": "t\0"}, None),
        ({f"{PREFIX}id": "\0"}, None),
    ],
)
def test_whatever_a_message_holds_it_is_parked_and_the_next_one_handled(
    consumer: Consumer, effects: Effects, headers: dict[str, Any], body: bytes | None
) -> None:
    poisoned, healthy = new_id(), new_id()
    effects.failing = {poisoned}
    message = delivery(poisoned)

    consumer.handle([Delivery(1, {**message.headers, **headers}, body or message.data), delivery(healthy)])

    assert [order_id for order_id, _ in written()] == [healthy]
    assert ParkedMessage.objects.using("order").count() == 1


def test_a_message_with_headers_that_json_does_not_know_takes_effect_once_it_can(
    consumer: Consumer, effects: Effects
) -> None:
    order_id = new_id()
    effects.failing = {order_id}
    message = delivery(order_id)
    consumer.handle([Delivery(1, {**message.headers, **UNTYPED}, message.data)])
    effects.failing = set()

    retry(consumer)

    assert written() == [(order_id, 1)]


def test_a_reason_that_no_column_takes_does_not_stop_the_retries(consumer: Consumer, effects: Effects) -> None:
    order_id, other = new_id(), new_id()
    effects.failing, effects.error = {order_id, other}, ValueError("no such name: \0")
    consumer.handle([delivery(order_id), delivery(other)])
    effects.failing = {order_id}

    retry(consumer)

    assert [written_id for written_id, _ in written()] == [other]
    assert "no such name: \N{REPLACEMENT CHARACTER}" in ParkedMessage.objects.using("order").get().reason


def test_an_event_of_unknown_version_is_parked(consumer: Consumer) -> None:
    known = delivery(new_id())
    headers = {**known.headers, "cloudEvents_type": "order.placed.v99"}

    consumer.handle([Delivery(1, headers, known.data)])

    assert ParkedMessage.objects.using("order").get().reason == "unknown event type"


@pytest.fixture
def older(monkeypatch: pytest.MonkeyPatch, effects: Effects) -> Consumer:
    """A consumer that knows how to read an older version, in which the order's id had another name."""
    monkeypatch.setattr(upcasting, "_upcasters", {})
    upcaster(from_type="order.placed.v0", to=OrderPlaced)(lambda data: {**data, "order_id": data["id"]})
    return Consumer(current()["order"], PgmqBroker())


def old_delivery(order_id: UUID, body: bytes | None = None) -> Delivery:
    newer = delivery(order_id)
    headers = {**newer.headers, f"{PREFIX}type": "order.placed.v0"}
    return Delivery(1, headers, codec.encode({"id": order_id, "number": "N"}) if body is None else body)


def test_an_older_version_takes_effect_as_the_version_of_today(older: Consumer) -> None:
    order_id = new_id()

    older.handle([old_delivery(order_id), delivery(new_id(), 2)])

    assert [id_ for id_, _ in written()][0] == order_id
    assert not ParkedMessage.objects.using("order").exists()


def test_an_older_version_that_failed_is_tried_again_from_its_own_body(older: Consumer, effects: Effects) -> None:
    order_id = new_id()
    effects.failing = {order_id}
    older.handle([old_delivery(order_id)])
    assert b"order_id" not in ParkedMessage.objects.using("order").get().body.encode()

    effects.failing = set()
    retry(older)

    assert written() == [(order_id, 1)]


def test_an_older_version_that_cannot_be_upcast_is_parked_for_its_handler(older: Consumer) -> None:
    older.handle([old_delivery(new_id(), b"{}")])

    parked = ParkedMessage.objects.using("order").get()
    assert (parked.consumer, parked.status) == ("order.test_effect", "PARKED")
    assert "no upcast from order.placed.v0" in parked.reason


def test_a_parked_message_of_a_handler_that_is_no_more_waits_and_stops_nobody(
    consumer: Consumer, effects: Effects
) -> None:
    order_id = new_id()
    effects.failing = {order_id}
    consumer.handle([delivery(order_id)])
    ParkedMessage.objects.using("order").update(consumer="order.removed")
    other = new_id()
    effects.failing = {other}
    consumer.handle([delivery(other)])
    effects.failing = set()

    retry(consumer)

    assert [id_ for id_, _ in written()] == [other]
    assert ParkedMessage.objects.using("order").get().consumer == "order.removed"


def test_a_parked_message_that_kills_its_consumer_runs_out_of_attempts(
    consumer: Consumer, effects: Effects, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        """Nothing catches this, as nothing would catch SIGKILL."""

    order_id = new_id()
    effects.failing = {order_id}
    consumer.handle([delivery(order_id)])
    effects.error = Killed()
    for _ in range(MAX_ATTEMPTS - 1):
        with pytest.raises(Killed):
            retry(consumer)

    retry(consumer)

    parked = ParkedMessage.objects.using("order").get()
    assert (parked.status, parked.attempts) == ("PARKED", MAX_ATTEMPTS)
