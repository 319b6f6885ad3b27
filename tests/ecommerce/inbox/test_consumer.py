"""The consumer: effects happen once, failures stop one key, poison is kept."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from django.db import connections

from contexts.order.events import OrderPlaced
from ecommerce import clock, codec
from ecommerce.errors import Unavailable, Unreachable
from ecommerce.ids import new_id
from ecommerce.inbox import registry, staff
from ecommerce.inbox.consumer import KILLER, LONGEST_WAIT, MAX_ATTEMPTS, Consumer, _while_unreachable
from ecommerce.inbox.models import InboxMessage, InboxStart, ParkedMessage
from ecommerce.messaging import upcasting
from ecommerce.messaging.broker import Delivery
from ecommerce.messaging.envelope import PREFIX, Envelope
from ecommerce.messaging.pgmq import PgmqBroker
from ecommerce.messaging.upcasting import upcaster
from ecommerce.topology import current
from ecommerce.unit_of_work import unit_of_work

pytestmark = pytest.mark.django_db(transaction=True, databases=["order"])


class Effects:
    """A handler that writes one row per event, and can be made to fail."""

    def __init__(self) -> None:
        self.failing: set[UUID] = set()
        self.error: BaseException = ValueError("not now")

    def __call__(self, event: OrderPlaced, envelope: Envelope) -> None:
        if event.order_id in self.failing:
            raise self.error
        with unit_of_work("order"), connections["order"].cursor() as cursor:
            cursor.execute("INSERT INTO test_effects VALUES (%s, %s)", [event.order_id, envelope.sequence])


@pytest.fixture
def effects(monkeypatch: pytest.MonkeyPatch) -> Iterator[Effects]:
    handler = Effects()
    registered = registry.Handler("order.test_effect", "order", OrderPlaced, handler)
    monkeypatch.setattr(registry, "_handlers", {registered.name: registered})
    with connections["order"].cursor() as cursor:
        cursor.execute("CREATE TABLE test_effects (order_id uuid, version int)")
    yield handler
    with connections["order"].cursor() as cursor:
        cursor.execute("DROP TABLE test_effects")


@pytest.fixture
def consumer(effects: Effects) -> Consumer:
    return Consumer(current()["order"], PgmqBroker())


def delivery(order_id: UUID, version: int = 1, *, event_id: UUID | None = None, again: bool = False) -> Delivery:
    envelope = Envelope(
        id=event_id or new_id(), source="/contexts/order", type=OrderPlaced.type, subject=str(order_id),
        time=clock.now(), partitionkey=str(order_id), sequence=version,
    )  # fmt: skip
    return Delivery(1, envelope.headers(), codec.encode(OrderPlaced(order_id=order_id, number="N")), again)


def written() -> list[tuple[UUID, int]]:
    with connections["order"].cursor() as cursor:
        cursor.execute("SELECT order_id, version FROM test_effects ORDER BY version")
        return cursor.fetchall()


def retry(consumer: Consumer) -> None:
    """Let every pause be over and try the parked messages."""
    ParkedMessage.objects.using("order").update(available_at=datetime(2000, 1, 1, tzinfo=UTC))
    consumer.retry_due()


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


# --- batches -------------------------------------------------------------------------------------------------------
def transactions() -> list[int]:
    """How many effects each transaction wrote."""
    with connections["order"].cursor() as cursor:
        cursor.execute("SELECT count(*) FROM test_effects GROUP BY xmin::text ORDER BY 1")
        return [count for (count,) in cursor.fetchall()]


def test_the_effects_of_a_batch_share_a_transaction(consumer: Consumer) -> None:
    consumer.handle([delivery(new_id()) for _ in range(5)])
    assert transactions() == [5]
    assert InboxMessage.objects.using("order").filter(outcome="HANDLED").count() == 5


def test_one_failure_gives_the_shared_transaction_up_and_costs_nobody_else_anything(
    consumer: Consumer, effects: Effects
) -> None:
    poisoned = new_id()
    effects.failing = {poisoned}
    consumer.handle([delivery(new_id()), delivery(poisoned), delivery(new_id())])
    assert transactions() == [1, 1]
    assert ParkedMessage.objects.using("order").get().partition_key == str(poisoned)


def test_a_statement_that_fails_unwatched_costs_nobody_else_anything(consumer: Consumer) -> None:
    with connections["order"].cursor() as cursor:
        cursor.execute("ALTER TABLE test_effects ADD CHECK (version <> 7)")
    refused = new_id()
    consumer.handle([delivery(new_id(), 1), delivery(refused, 7), delivery(new_id(), 2)])
    assert [version for _, version in written()] == [1, 2]
    parked = ParkedMessage.objects.using("order").get()
    assert (parked.partition_key, "IntegrityError" in parked.reason) == (str(refused), True)


def test_what_may_have_killed_a_consumer_is_handled_one_by_one(consumer: Consumer) -> None:
    consumer.handle([delivery(new_id(), again=True), delivery(new_id()), delivery(new_id())])
    assert transactions() == [1, 1, 1]


def test_messages_of_a_batch_that_were_handled_before_have_no_second_effect(consumer: Consumer) -> None:
    first, second, third = (delivery(new_id(), version) for version in (1, 2, 3))
    consumer.handle([first, second])
    consumer.handle([second, third, third, first])
    assert [version for _, version in written()] == [1, 2, 3]


def test_a_handler_that_goes_on_after_a_failed_unit_of_work_keeps_nothing_of_it(
    consumer: Consumer, effects: Effects, monkeypatch: pytest.MonkeyPatch
) -> None:
    shaky = new_id()

    def stumble(event: OrderPlaced, envelope: Envelope) -> None:
        with suppress(ValueError), unit_of_work("order"):
            with connections["order"].cursor() as cursor:
                cursor.execute("INSERT INTO test_effects VALUES (%s, %s)", [event.order_id, envelope.sequence])
            if event.order_id == shaky:
                raise ValueError("half done")

    monkeypatch.setattr(Effects, "__call__", lambda self, event, envelope: stumble(event, envelope))
    healthy = [delivery(new_id(), 1), delivery(new_id(), 2)]
    consumer.handle([healthy[0], delivery(shaky, 3), healthy[1]])
    assert [version for _, version in written()] == [1, 2]


def test_a_unit_of_work_within_another_is_refused_in_a_batch_too(
    consumer: Consumer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def nest(self: Effects, event: OrderPlaced, envelope: Envelope) -> None:
        with unit_of_work("order"), unit_of_work("order"):
            raise AssertionError("not reached")

    monkeypatch.setattr(Effects, "__call__", nest)
    consumer.handle([delivery(new_id()), delivery(new_id())])
    reasons = set(ParkedMessage.objects.using("order").values_list("reason", flat=True))
    assert len(reasons) == 1
    assert "RuntimeError" in reasons.pop()


def test_a_batch_remembers_which_messages_needed_no_change(consumer: Consumer, monkeypatch: pytest.MonkeyPatch) -> None:
    changing, real = new_id(), Effects.__call__

    def choose(self: Effects, event: OrderPlaced, envelope: Envelope) -> None:
        if event.order_id == changing:
            real(self, event, envelope)

    monkeypatch.setattr(Effects, "__call__", choose)
    consumer.handle([delivery(new_id()), delivery(changing), delivery(new_id())])
    outcomes = InboxMessage.objects.using("order").order_by("outcome").values_list("outcome", flat=True)
    assert list(outcomes) == ["HANDLED", "IGNORED", "IGNORED"]


class Asking:
    """A handler's way to ask another context: counts how often, and may be refused for some orders."""

    def __init__(self) -> None:
        self.asked: list[list[UUID]] = []
        self.in_transaction: list[bool] = []
        self.refused: set[UUID] = set()

    def __call__(self, events: Sequence[OrderPlaced]) -> dict[UUID, str]:
        ids = [event.order_id for event in events]
        self.asked.append(ids)
        self.in_transaction.append(connections["order"].in_atomic_block)
        if self.refused & set(ids):
            raise RuntimeError("the other context refuses")
        return {order_id: f"answer about {order_id}" for order_id in ids}


@pytest.fixture
def asking(effects: Effects, monkeypatch: pytest.MonkeyPatch) -> Asking:
    """Two handlers which ask in the same way, and say what they were told."""
    asking = Asking()

    def first(event: OrderPlaced, envelope: Envelope, answers: dict[UUID, str]) -> None:
        assert answers[event.order_id] == f"answer about {event.order_id}"
        effects(event, envelope)

    def second(event: OrderPlaced, envelope: Envelope, answers: dict[UUID, str]) -> None:
        assert event.order_id in answers

    both = {
        f"order.test_{function.__name__}": registry.Handler(
            f"order.test_{function.__name__}", "order", OrderPlaced, function, reading=asking
        )
        for function in (first, second)
    }
    monkeypatch.setattr(registry, "_handlers", both)
    return asking


def test_other_contexts_are_asked_once_for_a_batch_outside_its_transaction(asking: Asking) -> None:
    ids = [new_id(), new_id(), new_id()]
    Consumer(current()["order"], PgmqBroker()).handle([delivery(order_id) for order_id in ids])
    ((*asked,),) = asking.asked
    assert set(asked) == set(ids)
    assert asking.in_transaction == [False]
    assert {order_id for order_id, _ in written()} == set(ids)


def test_a_refusal_by_another_context_parks_only_the_message_it_is_about(asking: Asking) -> None:
    refused, others = new_id(), [new_id(), new_id()]
    asking.refused = {refused}
    Consumer(current()["order"], PgmqBroker()).handle([delivery(each) for each in (others[0], refused, others[1])])
    assert {order_id for order_id, _ in written()} == set(others)
    parked = ParkedMessage.objects.using("order").values_list("partition_key", "status").distinct()
    assert list(parked) == [(str(refused), "RETRY")]
    assert asking.in_transaction == [False] * len(asking.asked)


def test_what_has_an_outcome_is_not_asked_about_again(asking: Asking) -> None:
    handled, refused = new_id(), new_id()
    asking.refused = {refused}
    consumer = Consumer(current()["order"], PgmqBroker())
    batch = [delivery(handled, event_id=new_id()), delivery(refused, event_id=new_id())]
    consumer.handle(batch)
    asked = len(asking.asked)
    consumer.handle([Delivery(each.tag, each.headers, each.data, again=True) for each in batch])
    assert len(asking.asked) == asked
    assert written() == [(handled, 1)]


def test_a_blocked_key_in_a_batch_queues_up_behind_what_blocks_it(consumer: Consumer, effects: Effects) -> None:
    poisoned, healthy = new_id(), new_id()
    effects.failing = {poisoned}
    consumer.handle([delivery(poisoned, 1)])
    effects.failing = set()
    consumer.handle([delivery(healthy, 1), delivery(poisoned, 2), delivery(healthy, 2)])
    assert [(order_id, version) for order_id, version in written()] == [(healthy, 1), (healthy, 2)]
    for _ in range(2):
        retry(consumer)
    assert [version for order_id, version in written() if order_id == poisoned] == [1, 2]


def test_a_replay_overtakes_nothing_that_the_queue_still_holds(consumer: Consumer) -> None:
    order_id = new_id()
    later = delivery(order_id, 5)
    replayed = Delivery(1, {**later.headers, f"{PREFIX}replay": str(new_id())}, later.data)
    consumer.handle([replayed])
    consumer.handle([delivery(order_id, 4)])
    assert [version for _, version in written()] == [4, 5]
    assert not ParkedMessage.objects.using("order").exists()


# --- poison --------------------------------------------------------------------------------------------------------
def test_undecodable_data_and_envelopes_are_parked_at_once(consumer: Consumer) -> None:
    good = delivery(new_id())
    consumer.handle([Delivery(1, good.headers, b"{not json"), Delivery(2, {"x": "y"}, b"{}")])

    assert [row.status for row in ParkedMessage.objects.using("order").order_by("id")] == ["PARKED", "PARKED"]


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


def test_a_message_whose_handler_cannot_reach_a_neighbour_is_tried_for_ever(
    consumer: Consumer, effects: Effects
) -> None:
    order_id = new_id()
    effects.failing, effects.error = {order_id}, Unreachable("There is no connection to catalog.", context="catalog")
    consumer.handle([delivery(order_id)])
    for _ in range(3 * MAX_ATTEMPTS):
        retry(consumer)

    parked = ParkedMessage.objects.using("order").get()
    assert (parked.status, parked.attempts) == ("RETRY", 0)
    assert parked.reason == "Unreachable: There is no connection to catalog."
    effects.failing.clear()
    retry(consumer)
    assert written() == [(order_id, 1)]
    assert not ParkedMessage.objects.using("order").exists()


def test_an_unreachable_neighbour_blocks_the_key_and_no_other(consumer: Consumer, effects: Effects) -> None:
    waiting, passing = new_id(), new_id()
    effects.failing, effects.error = {waiting}, Unreachable(context="catalog")
    consumer.handle([delivery(waiting, 1), delivery(passing, 2), delivery(waiting, 3)])
    assert written() == [(passing, 2)]

    effects.failing.clear()
    retry(consumer)
    retry(consumer)
    assert written() == [(waiting, 1), (passing, 2), (waiting, 3)]


def test_what_a_handler_reads_from_an_unreachable_neighbour_is_not_counted_either(
    consumer: Consumer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read(events: Sequence[OrderPlaced]) -> None:
        raise Unreachable(context="catalog")

    handler = registry.Handler("order.test_effect", "order", OrderPlaced, lambda event, envelope, read: None, read)
    monkeypatch.setattr(consumer, "_handlers", {OrderPlaced.type: [handler]})
    consumer.handle([delivery(new_id()), delivery(new_id())])
    for _ in range(MAX_ATTEMPTS + 1):
        retry(consumer)

    assert set(ParkedMessage.objects.using("order").values_list("status", "attempts")) == {("RETRY", 0)}


def test_a_neighbour_that_broke_counts_as_before(consumer: Consumer, effects: Effects) -> None:
    """What breaks it may be this very message."""
    order_id = new_id()
    effects.failing, effects.error = {order_id}, Unavailable("catalog could not do what was asked.")
    consumer.handle([delivery(order_id)])
    for _ in range(MAX_ATTEMPTS):
        retry(consumer)

    assert ParkedMessage.objects.using("order").get().status == "PARKED"


def test_the_pauses_while_a_neighbour_is_unreachable_grow_to_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("random.uniform", lambda least, most: most)
    bounds = []
    for age in (0.0, 5.0, 20.0, 86_400.0):
        told = _while_unreachable(0, Unreachable(context="catalog"), age)
        bounds.append(told["available_at"].rhs.value.total_seconds())

    assert bounds == [1, 5, 20, LONGEST_WAIT]
