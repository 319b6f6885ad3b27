"""The two brokers, as a rig sees them: what is in the queue of cart, and how to disturb it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import amqp
import psutil
from kombu import Connection

from ecommerce.messaging.broker import EXCHANGE
from ecommerce.messaging.rabbitmq import DEAD_LETTERS

QUEUE = "cart_events"
ADDRESS = ("127.0.0.1", 5672)
ACCOUNT = "guest"
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

    def lost(self) -> int:
        """Return how many messages the broker has laid aside."""
        return 0

    def close(self) -> None:
        """Leave nothing behind."""
        self.query = lambda *_: []

    def url_through(self, port: int) -> str:
        """Return the URL of this broker behind a proxy on ``port``."""
        raise NotImplementedError


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


class Rabbit(Broker):
    """A virtual host of its own in the RabbitMQ of this machine; it goes with everything in it."""

    name = "rabbitmq"

    def __init__(self) -> None:
        super().__init__()
        self._vhost = f"faults-{os.getpid()}"
        if shutil.which("rabbitmqctl") is None:
            raise Absent("a virtual host of its own needs rabbitmqctl on this machine")
        for vhost in self._control("list_vhosts", "--no-table-headers").split():
            if vhost.startswith("faults-") and not psutil.pid_exists(int(vhost.removeprefix("faults-"))):
                self._control("delete_vhost", vhost)
        self._control("add_vhost", self._vhost)
        self._control("set_permissions", "-p", self._vhost, ACCOUNT, ".*", ".*", ".*")
        self.url = self.url_through(ADDRESS[1])

    def url_through(self, port: int) -> str:
        return f"amqp://{ACCOUNT}:{ACCOUNT}@{ADDRESS[0]}:{port}/{self._vhost}"

    def waiting(self) -> int:
        return self._messages().get(QUEUE, 0)

    def lost(self) -> int:
        return self._messages().get(DEAD_LETTERS, 0)

    def subscribed(self) -> bool:
        """Tell whether a consumer has the queue."""
        with self._channel() as channel:
            return bool(channel.queue_declare(QUEUE, passive=True).consumer_count)

    def ready(self) -> int:
        """Return how many messages no consumer has in hand."""
        with self._channel() as channel:
            return int(channel.queue_declare(QUEUE, passive=True).message_count)

    def empty(self) -> None:
        for queue in self._messages():
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
        self._control("close_all_connections", "--vhost", self._vhost, "fault")

    def close(self) -> None:
        with suppress(Absent):
            self._control("delete_vhost", self._vhost)

    def _messages(self) -> dict[str, int]:
        rows = json.loads(self._control("list_queues", "-p", self._vhost, "name", "messages", "--formatter", "json"))
        return {row["name"]: int(row["messages"]) for row in rows}

    @contextmanager
    def _channel(self) -> Iterator[Any]:
        with Connection(self.url, connect_timeout=3) as connection:
            yield connection.default_channel

    @staticmethod
    def _control(*arguments: str) -> str:
        """Run rabbitmqctl, and once more if the node was busy.

        Raises:
            Absent: no node answers, or it does not let us.
        """
        for attempt in (1, 2):
            done = subprocess.run(
                ["rabbitmqctl", "--quiet", *arguments], capture_output=True, text=True, check=False, cwd="/"
            )
            if not done.returncode:
                return done.stdout
            time.sleep(attempt)
        raise Absent(f"rabbitmqctl {arguments[0]}: {(done.stderr or done.stdout).strip()[-300:]}")


BROKERS: dict[str, type[Pgmq] | type[Rabbit]] = {"pgmq": Pgmq, "rabbitmq": Rabbit}
