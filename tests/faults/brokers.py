"""The two brokers, as a rig sees them: what is in the queue of cart, and how to disturb it."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import amqp
from kombu import Connection

from ecommerce.messaging.broker import EXCHANGE
from ecommerce.messaging.rabbitmq import DEAD_LETTERS
from tests.faults.node import Node, NodeFailed, programs

QUEUE = "cart_events"
COUNTED = "test.counted.v1"
Query = Callable[..., list[tuple[Any, ...]]]


class Absent(Exception):
    """This broker cannot be used here; the text says why."""


class Broker(ABC):
    """``query`` runs SQL as the administrator of the rig's database."""

    name: str
    url: str

    def __init__(self) -> None:
        self.query: Query = lambda *_: []

    @abstractmethod
    def waiting(self) -> int:
        """Return how many messages are in the queue, those that a consumer has in hand included."""

    @abstractmethod
    def empty(self) -> None:
        """Remove all messages."""

    @abstractmethod
    def send(self, messages: Sequence[tuple[dict[str, Any], str]]) -> None:
        """Put messages, headers and body, into the queue, past the relay."""

    @abstractmethod
    def bind(self, event_type: str) -> None:
        """Route one more type to the queue."""

    @abstractmethod
    def cut_off(self) -> None:
        """Break every connection to the broker."""

    @abstractmethod
    def refuse(self) -> None:
        """Take no more counted events, soon at the latest, and say so to whoever publishes them."""

    @abstractmethod
    def accept(self) -> None:
        """Take them again."""

    def lost(self) -> int:
        """Return how many messages the broker has laid aside."""
        return 0

    @abstractmethod
    def start(self) -> None:
        """Start it unless it runs."""

    def close(self) -> None:
        """Leave nothing behind."""
        self.query = lambda *_: []


class Pgmq(Broker):
    name, url = "pgmq", "pgmq://"

    def waiting(self) -> int:
        return int(self.query(f"SELECT count(*) FROM pgmq.q_{QUEUE}")[0][0])

    def empty(self) -> None:
        for (queue,) in self.query("SELECT queue_name FROM pgmq.meta"):
            self.query(f"TRUNCATE pgmq.q_{queue}")

    def send(self, messages: Sequence[tuple[dict[str, Any], str]]) -> None:
        rows = json.dumps([{"h": headers, "m": json.loads(body)} for headers, body in messages])
        self.query(
            f"INSERT INTO pgmq.q_{QUEUE} (vt, message, headers) SELECT clock_timestamp(), e -> 'm', e -> 'h'"
            " FROM jsonb_array_elements(%s::jsonb) AS e",
            [rows],
        )

    def bind(self, event_type: str) -> None:
        self.query("SELECT pgmq.bind_topic(%s, %s)", [event_type, QUEUE])

    def cut_off(self) -> None:
        self.query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'broker'")

    def refuse(self) -> None:
        self.query("SELECT pgmq.unbind_topic(%s, %s)", [COUNTED, QUEUE])

    def accept(self) -> None:
        self.bind(COUNTED)

    def start(self) -> None:
        """It runs with the database."""


class Rabbit(Broker):
    """A RabbitMQ node of its own; it goes with everything in it."""

    name = "rabbitmq"

    def __init__(self) -> None:
        super().__init__()
        found = programs()
        if found is None:
            raise Absent("RabbitMQ is not installed on this machine: a node of its own needs rabbitmq-server")
        self.node = Node(found)
        self.url = self.url_through(self.node.port)
        try:
            self.node.start()
        except BaseException as error:
            self.node.remove()
            if isinstance(error, NodeFailed):
                raise Absent(str(error)) from error
            raise

    def url_through(self, port: int) -> str:
        """Return the URL of this broker behind a proxy on ``port``."""
        return f"amqp://guest:guest@127.0.0.1:{port}//"

    def waiting(self) -> int:
        return self.messages().get(QUEUE, 0)

    def lost(self) -> int:
        return self.messages().get(DEAD_LETTERS, 0)

    def subscribed(self) -> bool:
        """Tell whether a consumer has the queue."""
        with self._channel() as channel:
            return bool(channel.queue_declare(QUEUE, passive=True).consumer_count)

    def ready(self) -> int:
        """Return how many messages no consumer has in hand."""
        with self._channel() as channel:
            return int(channel.queue_declare(QUEUE, passive=True).message_count)

    def empty(self) -> None:
        for queue in self.messages():
            with self._channel() as channel:
                channel.queue_purge(queue)

    def send(self, messages: Sequence[tuple[dict[str, Any], str]]) -> None:
        with self._channel() as channel:
            for headers, body in messages:
                message = amqp.Message(body.encode(), application_headers=headers, delivery_mode=2)
                channel.basic_publish(message, EXCHANGE, headers["cloudEvents_type"])

    def bind(self, event_type: str) -> None:
        with self._channel() as channel:
            channel.queue_bind(QUEUE, EXCHANGE, event_type)

    def cut_off(self) -> None:
        self.node.control("close_all_connections", "fault")

    def refuse(self) -> None:
        self._hold(0)

    def accept(self) -> None:
        self._hold(10**6)  # a queue without a limit would not tell its publishers that it is below it

    def _hold(self, messages: int) -> None:
        limit = {"max-length": messages, "overflow": "reject-publish"}
        self.node.control("set_policy", "full", f"^{QUEUE}$", json.dumps(limit), "--apply-to", "queues")

    def short_of_memory(self, short: bool) -> None:
        """Raise the alarm, at which the node reads nothing more from whoever publishes, or end it."""
        self.node.control("set_vm_memory_high_watermark", "0" if short else "0.4")

    def alarmed(self) -> bool:
        return "memory" in self.node.control("eval", "rabbit_alarm:get_alarms().")

    def start(self) -> None:
        self.node.start()

    def close(self) -> None:
        super().close()
        self.node.remove()

    def messages(self) -> dict[str, int]:
        """Return how many messages each queue has, those that a consumer has in hand included."""
        rows = json.loads(self.node.control("list_queues", "name", "messages", "--formatter", "json"))
        return {row["name"]: int(row["messages"]) for row in rows}

    @contextmanager
    def _channel(self) -> Iterator[Any]:
        with Connection(self.url, connect_timeout=3) as connection:
            yield connection.default_channel


BROKERS: dict[str, type[Pgmq] | type[Rabbit]] = {"pgmq": Pgmq, "rabbitmq": Rabbit}
