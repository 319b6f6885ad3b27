"""What every broker must do; run against each."""

from __future__ import annotations

import socket
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import cast

import amqp
import pytest

from ecommerce import clock
from ecommerce.ids import new_id
from ecommerce.messaging import pgmq, rabbitmq
from ecommerce.messaging.broker import (
    MAX_MESSAGE_BYTES,
    Broker,
    BrokerUnavailable,
    Delivery,
    Publisher,
    Subscription,
)
from ecommerce.messaging.envelope import Envelope, Message
from ecommerce.messaging.rabbitmq import RabbitPublisher

pytestmark = pytest.mark.django_db(transaction=True, databases=["order"])


def message(type_: str = "test.happened.v1", *, sequence: int = 1, data: bytes = b'{"n": 1}') -> Message:
    return Message.of(
        Envelope(
            id=new_id(), source="/contexts/test", type=type_, subject="s", time=clock.now(), partitionkey="s",
            sequence=sequence,
        ),
        data,
    )  # fmt: skip


def receive(subscription: Subscription, count: int, *, within: float = 10) -> list[Delivery]:
    """Receive until ``count`` messages came; acknowledges nothing."""
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        if len(deliveries := subscription.receive(limit=100, timeout=0.5)) >= count:
            return deliveries
    raise AssertionError(f"fewer than {count} messages within {within} s")


def take(subscription: Subscription, count: int) -> list[tuple[int, bool]]:
    """Receive and acknowledge ``count`` messages; return the sequence of each and whether it came again."""
    taken: list[tuple[int, bool]] = []
    while len(taken) < count:
        batch = receive(subscription, 1)
        taken += [(sequences([delivery])[0], delivery.again) for delivery in batch]
        subscription.acknowledge(batch)
    return taken


def sequences(deliveries: Sequence[Delivery]) -> list[int]:
    return [Envelope.from_headers(delivery.headers).sequence for delivery in deliveries]


def test_a_message_reaches_the_queue_bound_to_its_type_and_no_other(broker: Broker, queue: str) -> None:
    broker.declare({queue: ["test.happened.v1"]})
    publisher, subscription = broker.publisher(), broker.subscribe(queue)
    wanted, other = message(), message("test.ignored.v1")

    published = publisher.publish([wanted, other], timeout=5)

    (delivery,) = receive(subscription, 1)
    subscription.acknowledge([delivery])
    assert published.confirmed == {wanted.envelope.id}
    assert set(published.refused) == {other.envelope.id}
    assert Envelope.from_headers(delivery.headers) == wanted.envelope
    assert delivery.data == wanted.data
    assert subscription.receive(limit=10, timeout=0.2) == []
    publisher.close()
    subscription.close()


def test_messages_come_in_the_order_they_were_published(broker: Broker, queue: str) -> None:
    broker.declare({queue: ["test.happened.v1"]})
    publisher, subscription = broker.publisher(), broker.subscribe(queue)

    publisher.publish([message(sequence=n) for n in range(1, 51)], timeout=5)

    batches: list[list[int]] = []
    while sum(map(len, batches)) < 50:
        batch = receive(subscription, 1)
        batches.append(sequences(batch))
        subscription.acknowledge(batch)
    assert [sequence for batch in batches for sequence in batch] == list(range(1, 51))
    assert len(batches) < 25, "what waits comes in batches"
    publisher.close()
    subscription.close()


def test_what_was_not_acknowledged_comes_again_to_the_next_reader_in_order(broker: Broker, queue: str) -> None:
    broker.declare({queue: ["test.happened.v1"]})
    publisher, first, second = broker.publisher(), broker.subscribe(queue), broker.subscribe(queue)
    publisher.publish([message(sequence=n) for n in (1, 2, 3)], timeout=5)

    taken = receive(first, 1)
    first.acknowledge(taken[:1])
    assert second.receive(limit=10, timeout=0.3) == [], "a second reader stands by while the first lives"
    first.close()

    assert [sequence for sequence, _ in take(second, 2)] == [2, 3]
    publisher.close()
    second.close()


def test_no_number_of_dead_readers_makes_a_broker_lay_a_message_aside(broker: Broker, queue: str) -> None:
    """What kills readers takes its neighbours back with it each time, and is found by the consumer's own count."""
    broker.declare({queue: ["test.happened.v1"]})
    publisher = broker.publisher()
    publisher.publish([message(sequence=1)], timeout=5)
    for _ in range(25):
        reader = broker.subscribe(queue)
        receive(reader, 1)
        reader.close()

    last = broker.subscribe(queue)
    assert take(last, 1) == [(1, True)]
    publisher.close()
    last.close()


@pytest.mark.parametrize("broker", ["pgmq"], indirect=True)
def test_a_reader_that_says_nothing_any_more_loses_the_queue(
    broker: Broker, queue: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """RabbitMQ does the same after two heartbeats."""
    monkeypatch.setattr(pgmq, "SILENCE", "1s")
    broker.declare({queue: ["test.happened.v1"]})
    publisher, stopped, second = broker.publisher(), broker.subscribe(queue), broker.subscribe(queue)
    publisher.publish([message(sequence=1)], timeout=5)
    receive(stopped, 1)
    assert second.receive(limit=10, timeout=0.1) == []

    assert take(second, 1) == [(1, True)]
    with pytest.raises(BrokerUnavailable):
        stopped.receive(limit=10, timeout=0.1)
    publisher.close()
    second.close()


def test_what_a_former_reader_may_have_died_of_is_marked(broker: Broker, queue: str) -> None:
    broker.declare({queue: ["test.happened.v1"]})
    publisher, first = broker.publisher(), broker.subscribe(queue)
    publisher.publish([message(sequence=n) for n in (1, 2)], timeout=5)
    take(first, 2)
    publisher.publish([message(sequence=n) for n in (3, 4)], timeout=5)
    assert not any(delivery.again for delivery in receive(first, 1))
    first.close()

    second = broker.subscribe(queue)
    assert [sequence for sequence, again in take(second, 2) if again] == [3, 4]
    publisher.publish([message(sequence=5)], timeout=5)
    assert take(second, 1) == [(5, False)]
    publisher.close()
    second.close()


def test_a_message_that_is_too_large_is_refused_and_the_others_pass(broker: Broker, queue: str) -> None:
    broker.declare({queue: ["test.happened.v1"]})
    publisher = broker.publisher()
    large, small = message(data=b'"' + b"x" * MAX_MESSAGE_BYTES + b'"'), message()

    published = publisher.publish([large, small], timeout=5)

    assert set(published.refused) == {large.envelope.id}
    assert published.confirmed == {small.envelope.id}
    publisher.close()


def test_headers_that_are_no_object_stop_neither_publisher_nor_reader(broker: Broker, queue: str) -> None:
    broker.declare({queue: ["test.happened.v1"]})
    publisher, subscription = broker.publisher(), broker.subscribe(queue)
    odd, good = replace(message(), headers='["x"]'), message()

    published = publisher.publish([odd, good], timeout=5)

    assert published.confirmed | set(published.refused) == {odd.id, good.id}
    received = receive(subscription, len(published.confirmed))
    assert [isinstance(delivery.headers, dict) for delivery in received] == [True] * len(published.confirmed)
    publisher.close()
    subscription.close()


def connected(publisher: Publisher) -> amqp.Connection:
    assert isinstance(publisher, RabbitPublisher)
    assert publisher._connection is not None
    return cast(amqp.Connection, publisher._connection.connection)


def is_closed(connection: amqp.Connection) -> bool:
    """Wait a moment for the broker to close the connection."""
    try:
        connection.drain_events(timeout=0.1)
    except TimeoutError:
        return False
    except OSError:
        return True
    return False


@pytest.mark.parametrize("broker", ["rabbitmq"], indirect=True)
def test_a_publisher_with_nothing_to_publish_keeps_its_connection(
    broker: Broker, queue: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rabbitmq, "HEARTBEAT", 1)
    broker.declare({queue: ["test.happened.v1"]})
    kept, left_alone = broker.publisher(), broker.publisher()
    for publisher in (kept, left_alone):
        publisher.publish([message()], timeout=5)
    connection = connected(kept)

    for _ in range(300):
        kept.keep_alive()
        if is_closed(connected(left_alone)):
            break
    else:
        raise AssertionError("the broker closes a connection without heartbeats")

    assert len(kept.publish([message()], timeout=5).confirmed) == 1
    assert connected(kept) is connection
    kept.close()
    left_alone.close()


@pytest.mark.parametrize("broker", ["rabbitmq"], indirect=True)
def test_a_connection_lost_while_idle_fails_no_publishing(broker: Broker, queue: str) -> None:
    broker.declare({queue: ["test.happened.v1"]})
    publisher = broker.publisher()
    publisher.publish([message()], timeout=5)
    connected(publisher).sock.shutdown(socket.SHUT_RDWR)

    publisher.keep_alive()

    assert len(publisher.publish([message()], timeout=5).confirmed) == 1
    publisher.close()


def test_declaring_twice_changes_nothing(broker: Broker, queue: str) -> None:
    for _ in range(2):
        broker.declare({queue: ["test.happened.v1"]})
    publisher, subscription = broker.publisher(), broker.subscribe(queue)
    publisher.publish([message()], timeout=5)

    assert len(receive(subscription, 1)) == 1
    publisher.close()
    subscription.close()
