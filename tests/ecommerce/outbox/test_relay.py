"""The relay against real PostgreSQL and both brokers."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from uuid import UUID

import pytest
from django.db import connections
from django.db.models import F

from contexts.order.events import OrderPlaced
from ecommerce.messaging.broker import Broker, Published, Publisher
from ecommerce.messaging.envelope import Envelope, Message
from ecommerce.messaging.pgmq import PgmqBroker
from ecommerce.outbox.models import PARTITIONS, ArchivedEvent, OutboxEvent, OutboxPartition
from ecommerce.outbox.relay import BATCH, READ_ALL, Relay
from ecommerce.topology import current
from tests.ecommerce.messaging.test_broker import receive, sequences

pytestmark = pytest.mark.django_db(transaction=True, databases=["order"])
ORDER = OrderPlaced.type


Relays = Callable[[Broker], Relay]


@pytest.fixture
def relay() -> Iterator[Relays]:
    made: list[Relay] = []

    def make(broker: Broker) -> Relay:
        made.append(Relay(current()["order"], broker))
        return made[-1]

    yield make
    for one in made:
        one._publisher.close()


@pytest.fixture
def queue_of_order() -> str:
    """A queue of PGMQ that takes what these tests publish."""
    PgmqBroker().declare({"test_lease": [ORDER]})
    return "test_lease"


class RefusingPublisher(Publisher):
    """Refuses what ``refused`` names; only the broker's edge is replaced, and only to make it fail on purpose."""

    def __init__(self) -> None:
        self.refused: set[UUID] = set()
        self.windows: list[list[Message]] = []
        self.kept_alive = threading.Event()

    def publish(self, messages: Sequence[Message], *, timeout: float) -> Published:
        self.windows.append(list(messages))
        ids = {message.id for message in messages}
        return Published(frozenset(ids - self.refused), dict.fromkeys(ids & self.refused, "full"))

    def keep_alive(self) -> None:
        self.kept_alive.set()

    def close(self) -> None: ...


class RefusingBroker(PgmqBroker):
    def __init__(self) -> None:
        self.edge = RefusingPublisher()

    def publisher(self) -> Publisher:
        return self.edge

    def shares_database(self, alias: str) -> bool:
        return False


def test_a_committed_event_reaches_its_queue_and_the_archive(
    relay: Relays, broker: Broker, queue: str, publish: Callable[..., UUID]
) -> None:
    broker.declare({queue: [ORDER]})
    order_id = publish()
    subscription = broker.subscribe(queue)

    assert relay(broker).step() == 1

    (delivery,) = receive(subscription, 1)
    envelope = Envelope.from_headers(delivery.headers)
    assert (envelope.type, envelope.subject, envelope.sequence) == (ORDER, str(order_id), 1)
    assert not OutboxEvent.objects.using("order").exists()
    assert ArchivedEvent.objects.using("order").filter(event_id=envelope.id).count() == 1
    subscription.close()


def test_events_of_one_aggregate_arrive_in_version_order(
    relay: Relays, broker: Broker, queue: str, publish: Callable[..., UUID]
) -> None:
    broker.declare({queue: [ORDER]})
    order_id = publish()
    for version in range(2, 21):
        publish(order_id, version)
    subscription, drained = broker.subscribe(queue), relay(broker)

    while drained.step():
        pass

    got: list[int] = []
    while len(got) < 20:
        batch = receive(subscription, 1)
        got += sequences(batch)
        subscription.acknowledge(batch)
    assert got == list(range(1, 21))
    subscription.close()


def test_what_is_rolled_back_is_never_published(relay: Relays, publish: Callable[..., UUID]) -> None:
    from ecommerce.ids import new_id
    from ecommerce.unit_of_work import unit_of_work

    def fail() -> None:
        with unit_of_work("order") as work:
            work.publish(OrderPlaced(order_id=new_id(), number="N"), subject=new_id(), version=1)
            raise ValueError("changed my mind")

    with pytest.raises(ValueError, match="changed my mind"):
        fail()

    assert relay(PgmqBroker()).step() == 0


def test_two_relays_share_the_partitions_and_a_lone_one_takes_all(relay: Relays, publish: Callable[..., UUID]) -> None:
    broker = RefusingBroker()
    first, second = relay(broker), relay(broker)
    first.step()
    assert len(first.held) == PARTITIONS

    second.step()  # announces itself; everything is leased
    first._renew_at = 0.0001
    first.step()  # gives half away
    second._renew_at = 0.0001
    second.step()

    assert len(first.held) == len(second.held) == PARTITIONS // 2
    assert not set(first.held) & set(second.held)


def test_a_relay_that_lost_its_lease_moves_nothing(relay: Relays, publish: Callable[..., UUID]) -> None:
    broker = RefusingBroker()
    stalled, successor = relay(broker), relay(broker)
    stalled.step()
    publish()
    OutboxPartition.objects.using("order").update(lease_until="2000-01-01T00:00:00Z")
    with connections["order"].cursor() as cursor:
        cursor.execute("DELETE FROM outbox_relay")
    successor.step()

    stalled._publish()

    assert ArchivedEvent.objects.using("order").count() == 1, "the successor moved it, once"
    assert len(broker.edge.windows) == 1 or all(len(window) == 1 for window in broker.edge.windows)


def test_a_refused_event_blocks_its_own_aggregate_and_nothing_else(relay: Relays, publish: Callable[..., UUID]) -> None:
    broker = RefusingBroker()
    bad, good = publish(), publish()
    publish(bad, 2)
    broker.edge.refused = {OutboxEvent.objects.using("order").get(aggregate_id=bad, aggregate_version=1).event_id}
    drained = relay(broker)

    for _ in range(3):
        drained.step()

    left = OutboxEvent.objects.using("order").order_by("id")
    assert [(row.aggregate_version, row.status) for row in left] == [(1, "BLOCKED"), (2, "PENDING")]
    assert ArchivedEvent.objects.using("order").get().aggregate_id == str(good)


def test_one_window_holds_at_most_one_event_of_an_aggregate(relay: Relays, publish: Callable[..., UUID]) -> None:
    broker = RefusingBroker()
    order_id = publish()
    publish(order_id, 2)
    publish()

    relay(broker).step()

    assert [message.envelope.sequence for message in broker.edge.windows[0]] == [1, 1]


def test_a_commit_wakes_a_waiting_relay(
    relay: Relays, monkeypatch: pytest.MonkeyPatch, publish: Callable[..., UUID]
) -> None:
    monkeypatch.setattr("ecommerce.outbox.relay.POLL_SECONDS", 30.0)
    broker, stop = RefusingBroker(), threading.Event()
    waiting = threading.Thread(target=relay(broker).run, args=[stop])
    waiting.start()
    try:
        for _ in range(100):
            if OutboxPartition.objects.using("order").filter(owner__isnull=False).exists():
                break
            threading.Event().wait(0.1)
        publish()
        for _ in range(100):
            if ArchivedEvent.objects.using("order").exists():
                break
            threading.Event().wait(0.1)
        assert ArchivedEvent.objects.using("order").count() == 1
    finally:
        stop.set()
        publish()  # its wake-up ends the wait
        waiting.join(timeout=20)
    assert not waiting.is_alive()


@pytest.mark.parametrize("refused", [False, True])
def test_an_event_whose_headers_are_unreadable_stops_nobody(
    relay: Relays, publish: Callable[..., UUID], refused: bool
) -> None:
    broker = RefusingBroker()
    bad, good = publish(), publish()
    rows = OutboxEvent.objects.using("order")
    rows.filter(aggregate_id=bad).update(headers={"x": "y"})
    broker.edge.refused = {rows.get(aggregate_id=bad).event_id} if refused else set()

    relay(broker).step()

    assert [row.aggregate_id for row in rows.all()] == ([str(bad)] if refused else [])
    assert ArchivedEvent.objects.using("order").filter(aggregate_id=good).exists()


def test_a_relay_that_waits_keeps_its_publisher_alive(relay: Relays) -> None:
    broker, stop = RefusingBroker(), threading.Event()
    waiting = threading.Thread(target=relay(broker).run, args=[stop])
    waiting.start()
    try:
        assert broker.edge.kept_alive.wait(timeout=20)
    finally:
        stop.set()
        waiting.join(timeout=20)
    assert not waiting.is_alive()


def test_the_listening_connection_is_made_as_the_database_settings_say(
    relay: Relays, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = {"sslmode": "disable", "connect_timeout": "7", "application_name": "order"}
    database = connections["order"].settings_dict
    monkeypatch.setitem(database, "OPTIONS", {**database["OPTIONS"], **options})

    with relay(RefusingBroker())._listener() as listener:
        used = listener.info.get_parameters()

    assert {name: used[name] for name in options} == {**options, "application_name": "outbox-relay"}


def test_a_refused_event_holds_back_its_followers_in_the_same_database_too(
    relay: Relays, publish: Callable[..., UUID]
) -> None:
    broker = PgmqBroker()
    broker.declare({"test_refusal": ["test.other.v1"]})  # nobody takes an OrderPlaced: it is refused
    order_id = publish()
    publish(order_id, 2)

    relay(broker).step()

    left = OutboxEvent.objects.using("order").order_by("id")
    assert [(row.aggregate_version, row.status) for row in left] == [(1, "BLOCKED"), (2, "PENDING")]
    assert not ArchivedEvent.objects.using("order").exists()


def overtaken(relay: Relays, broker: Broker) -> Relay:
    """Return a relay that still believes in leases that another one has by now."""
    stalled = relay(broker)
    stalled.step()
    OutboxPartition.objects.using("order").update(owner=UUID(int=1), epoch=F("epoch") + 1)
    return stalled


def test_a_relay_that_lost_its_lease_hands_nothing_off_and_goes_on(
    relay: Relays, publish: Callable[..., UUID], queue_of_order: str
) -> None:
    stalled = overtaken(relay, PgmqBroker())
    publish()

    assert stalled.step() == 0

    assert OutboxEvent.objects.using("order").count() == 1
    subscription = PgmqBroker().subscribe(queue_of_order)
    assert subscription.receive(limit=10, timeout=0.2) == []
    subscription.close()


def test_a_relay_that_lost_its_lease_counts_no_failure(relay: Relays, publish: Callable[..., UUID]) -> None:
    PgmqBroker().declare({"test_refusal": ["test.other.v1"]})
    stalled = overtaken(relay, PgmqBroker())
    order_id = publish()
    publish(order_id, 2)

    stalled.step()

    rows = OutboxEvent.objects.using("order").order_by("id")
    assert [(row.status, row.attempts) for row in rows] == [("PENDING", 0), ("PENDING", 0)]


WAITING = """
    INSERT INTO outbox_event (event_id, aggregate_type, aggregate_id, aggregate_version, partition_no, event_type,
                              payload, headers, status, attempts, last_error, origin, created_at)
    SELECT gen_random_uuid(), 'order', gen_random_uuid(), 1, n %% 64, 'order.placed.v1', '{}', '{}', 'PENDING', 0, '',
           'app', clock_timestamp()
    FROM generate_series(1, %s::int) AS n
"""


@pytest.mark.parametrize("told", ["TRUNCATE outbox_event", "VACUUM (ANALYZE) outbox_event"], ids=["never", "empty"])
def test_a_batch_does_not_sort_all_that_waits_whatever_the_statistics_say(told: str) -> None:
    with connections["order"].cursor() as cursor:
        cursor.execute(WAITING, [1_000])
        cursor.execute("DELETE FROM outbox_event")
        cursor.execute(told)
        cursor.execute(WAITING, [5_000])
        cursor.execute(f"EXPLAIN {READ_ALL}" % {"batch": BATCH})
        plan = "\n".join(line for (line,) in cursor.fetchall())
    assert "Sort" not in plan, plan
    assert "outbox_event_pkey" in plan
