"""RabbitMQ as the broker: a topic exchange, one quorum queue per context, windowed publisher confirms.

Confirms are not optional: kombu and Celery do not ask for them by default and lose messages silently, so the channel is
put into confirm mode here and a broker that refuses it is an error.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, ClassVar, cast
from uuid import UUID

import amqp
from amqp.exceptions import AMQPError
from kombu import Connection
from kombu.exceptions import OperationalError

from ecommerce import codec
from ecommerce.messaging.broker import (
    EXCHANGE,
    MAX_MESSAGE_BYTES,
    Broker,
    BrokerUnavailable,
    Delivery,
    Published,
    Publisher,
    Subscription,
)
from ecommerce.messaging.envelope import Message

DEAD_LETTERS = "commerce.dead-letters"
MAX_DELIVERIES = 1_000_000
"""RabbitMQ lays a message aside that came back more often than this: never, or a few messages in a row that kill their
reader would lose all that was handed to it with them. The consumer counts for itself and parks them. RabbitMQ 4 has a
limit of 20 for those that name none."""
LOST = (AMQPError, OSError, OperationalError)
HEARTBEAT = 10
"""Seconds. A side that heard nothing of the other for twice as long gives the connection up."""
PREFETCH = 200
ARRIVED = 0.001
"""Seconds in which whatever is on its way already arrives, so that it becomes part of the batch."""


class RabbitBroker(Broker):
    system: ClassVar[str] = "rabbitmq"

    def __init__(self, url: str, *, exchange: str = EXCHANGE) -> None:
        self._url = url
        self._exchange = exchange

    def declare(self, bindings: Mapping[str, Sequence[str]]) -> None:
        try:
            with self.connect() as connection:
                channel = cast(amqp.Channel, connection.default_channel)
                channel.exchange_declare(self._exchange, "topic", durable=True, auto_delete=False)
                channel.exchange_declare(DEAD_LETTERS, "fanout", durable=True, auto_delete=False)
                channel.queue_declare(DEAD_LETTERS, durable=True, auto_delete=False)
                channel.queue_bind(DEAD_LETTERS, DEAD_LETTERS)
                for queue, types in bindings.items():
                    channel.queue_declare(queue, durable=True, auto_delete=False, arguments=self._arguments())
                    for routing_key in types:
                        channel.queue_bind(queue, self._exchange, routing_key)
        except LOST as error:
            raise BrokerUnavailable(str(error)) from error

    def publisher(self) -> Publisher:
        return RabbitPublisher(self)

    def subscribe(self, queue: str) -> Subscription:
        return RabbitSubscription(self, queue)

    def check(self) -> None:
        try:
            with self.connect() as connection:
                connection.ensure_connection(max_retries=1, timeout=3)
        except LOST as error:
            raise BrokerUnavailable(str(error)) from error

    def connect(self) -> Connection:
        return Connection(self._url, connect_timeout=3, heartbeat=HEARTBEAT)

    @property
    def exchange(self) -> str:
        return self._exchange

    def _arguments(self) -> dict[str, Any]:
        return {
            "x-queue-type": "quorum",
            "x-single-active-consumer": True,
            "x-delivery-limit": MAX_DELIVERIES,
            "x-dead-letter-exchange": DEAD_LETTERS,
        }


class RabbitPublisher(Publisher):
    def __init__(self, broker: RabbitBroker) -> None:
        self._broker = broker
        self._connection: Connection | None = None
        self._channel: Any = None
        self._open: dict[int, UUID] = {}
        self._refused: dict[UUID, str] = {}

    def publish(self, messages: Sequence[Message], *, timeout: float) -> Published:
        self._refused = {
            m.id: f"larger than {MAX_MESSAGE_BYTES} bytes" for m in messages if len(m.data) > MAX_MESSAGE_BYTES
        }
        try:
            channel = self._ready_channel()
            self._open = {}
            for message in messages:
                if message.id not in self._refused:
                    self._send(channel, message)
            self._await_confirms(timeout)
        except LOST as error:
            self._give_up()
            raise BrokerUnavailable(str(error)) from error
        sent = frozenset(m.id for m in messages)
        return Published(sent - frozenset(self._refused), dict(self._refused))

    def keep_alive(self) -> None:
        if self._connection is None:
            return
        try:
            with suppress(TimeoutError):
                self._connection.drain_events(timeout=ARRIVED)  # the broker's heartbeats, or its farewell
            self._connection.heartbeat_check()
        except LOST:
            self._give_up()

    def close(self) -> None:
        if self._connection is not None:
            with suppress(*LOST):
                self._connection.release()
        self._connection = self._channel = None

    def _give_up(self) -> None:
        if self._connection is not None:
            _drop(self._connection)
        self._connection = self._channel = None

    def _ready_channel(self) -> Any:
        if self._channel is None:
            self._connection = self._broker.connect()
            self._connection.ensure_connection(max_retries=1, timeout=3)
            self._channel = self._connection.channel()
            self._channel.confirm_select()
            self._next_tag = 1
            self._channel.events["basic_ack"].add(self._on_ack)
            self._channel.events["basic_nack"].add(self._on_nack)
            self._channel.events["basic_return"].add(self._on_return)
        return self._channel

    def _send(self, channel: Any, message: Message) -> None:
        try:
            content = _amqp(message)
        except codec.Undecodable as error:
            self._refused[message.id] = f"unreadable headers: {error}"
            return
        self._open[self._next_tag] = message.id
        self._next_tag += 1
        channel.basic_publish(content, self._broker.exchange, message.type, mandatory=True)

    def _await_confirms(self, timeout: float) -> None:
        """Wait for every open tag; a connection that stays silent is given up."""
        deadline = time.monotonic() + timeout
        assert self._connection is not None
        while self._open:
            remaining = deadline - time.monotonic()
            if remaining <= 0:
                raise TimeoutError(f"{len(self._open)} messages were not confirmed in {timeout} s")
            self._connection.drain_events(timeout=remaining)

    def _settled(self, tag: int, multiple: bool) -> list[UUID]:
        tags = [open_tag for open_tag in self._open if open_tag <= tag] if multiple else [tag]
        return [self._open.pop(settled) for settled in tags if settled in self._open]

    def _on_ack(self, tag: int, multiple: bool) -> None:
        self._settled(tag, multiple)

    def _on_nack(self, tag: int, multiple: bool) -> None:
        for event_id in self._settled(tag, multiple):
            self._refused[event_id] = "the broker refused to store it"

    def _on_return(self, _exception: Any, _exchange: str, _routing_key: str, returned: Any) -> None:
        """Note an unroutable message: the broker returns it, and acks it as well."""
        self._refused[UUID(returned.properties["message_id"])] = "no queue is bound to this type"


class RabbitSubscription(Subscription):
    def __init__(self, broker: RabbitBroker, queue: str) -> None:
        self._broker = broker
        self._queue = queue
        self._connection: Connection | None = None
        self._channel: Any = None
        self._waiting: list[Delivery] = []

    def receive(self, *, limit: int, timeout: float) -> list[Delivery]:
        try:
            self._open()
            deadline = time.monotonic() + timeout
            assert self._connection is not None
            while not self._waiting and (remaining := deadline - time.monotonic()) > 0:
                with suppress(TimeoutError):
                    self._connection.drain_events(timeout=remaining)
                self._connection.heartbeat_check()
            with suppress(TimeoutError):
                while 0 < len(self._waiting) < limit:
                    self._connection.drain_events(timeout=ARRIVED)
        except LOST as error:
            self._give_up()
            raise BrokerUnavailable(str(error)) from error
        batch, self._waiting = self._waiting[:limit], self._waiting[limit:]
        return batch

    def acknowledge(self, deliveries: Sequence[Delivery]) -> None:
        """Ack up to the last delivery: batches are taken in order, so everything before it is done too."""
        try:
            self._channel.basic_ack(deliveries[-1].tag, multiple=True)
        except LOST as error:
            self._give_up()
            raise BrokerUnavailable(str(error)) from error

    def close(self) -> None:
        if self._connection is not None:
            with suppress(*LOST):
                self._connection.release()
        self._connection = self._channel = None
        self._waiting = []

    def _give_up(self) -> None:
        if self._connection is not None:
            _drop(self._connection)
        self._connection = self._channel = None
        self._waiting = []

    def _open(self) -> None:
        if self._connection is None:
            self._connection = self._broker.connect()
            self._connection.ensure_connection(max_retries=1, timeout=3)
            self._channel = self._connection.channel()
            self._channel.basic_qos(0, PREFETCH, False)
            self._channel.basic_consume(self._queue, callback=self._on_message)

    def _on_message(self, message: Any) -> None:
        headers = message.headers or {}
        body = message.body if isinstance(message.body, bytes) else message.body.encode()
        self._waiting.append(Delivery(message.delivery_tag, headers, body, again=message.delivery_info["redelivered"]))


def _drop(connection: Connection) -> None:
    """End a connection that is broken, without the farewell: a silent peer would never answer it."""
    driver = connection._connection  # type: ignore[attr-defined]  # the public property would connect anew
    if driver is not None:
        with suppress(*LOST):
            driver.collect()


def _amqp(message: Message) -> amqp.Message:
    return amqp.Message(
        message.data,
        application_headers=codec.decode(message.headers, dict[str, Any]),
        content_type="application/json",
        delivery_mode=2,
        message_id=str(message.id),
        type=message.type,
    )
