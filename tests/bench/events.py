"""From outbox to effect: how fast events reach the handler of another context."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import amqp
from kombu import Connection

from tests.bench.shop import CONTEXTS, Measured, opened
from tests.e2e.stack import ROOT

CONSUMER = "cart.remember_variant_price"
RECEIVED = "SELECT count(*) FROM cart_service.inbox_message WHERE consumer = %s"
DRAIN_SECONDS = 300
RABBITMQ = os.environ.get("BROKER_URL_RABBITMQ", "amqp://guest:guest@127.0.0.1:5672//")
QUEUES = tuple(f"{context}_events" for context in CONTEXTS)


class Stuck(Exception):
    """Events did not arrive in time."""


@dataclass(frozen=True)
class Throughput:
    """``seconds`` from the commit that published ``events`` until the last one took effect."""

    events: int
    seconds: float

    @property
    def rate(self) -> float:
        return self.events / self.seconds


def drained(shop: Measured, *, events: int) -> Throughput:
    """Publish ``events`` by one commit and wait until the inbox of their subscriber holds them all.

    Raises:
        Stuck
    """
    with shop.administrator() as administrator:
        before = int(administrator.execute(RECEIVED, [CONSUMER]).fetchall()[0][0])
        command = [sys.executable, "-m", "tests.bench.publish", str(events)]
        done = subprocess.run(
            command, cwd=ROOT, env=shop.stack.environment, check=True, stdout=subprocess.PIPE, text=True
        )
        committed = float(done.stdout)
        while (arrived := administrator.execute(RECEIVED, [CONSUMER]).fetchall()[0][0] - before) < events:
            if time.monotonic() - committed > DRAIN_SECONDS:
                raise Stuck(f"{arrived} of {events} events arrived within {DRAIN_SECONDS} s")
            time.sleep(0.1)
        return Throughput(events, time.monotonic() - committed)


def through_rabbitmq(*, events: int, times: int) -> list[Throughput] | str:
    """Do as :func:`drained` in a second installation that uses RabbitMQ, or say why that cannot be done.

    Raises:
        StackFailed, Stuck
    """
    try:
        taken = queues_that_exist()
    except (OSError, amqp.AMQPError) as error:
        return f"no RabbitMQ answers ({type(error).__name__})"
    if taken:
        return f"another installation uses this RabbitMQ: {', '.join(taken)} exist"
    with queues_removed(), opened(broker_url=RABBITMQ) as shop:
        drained(shop, events=50)
        return [drained(shop, events=events) for _ in range(times)]


def queues_that_exist() -> list[str]:
    found = []
    for queue in QUEUES:
        with Connection(RABBITMQ, connect_timeout=2) as connection:
            try:
                connection.default_channel.queue_declare(queue, passive=True)
            except amqp.NotFound:
                continue
            found.append(queue)
    return found


@contextmanager
def queues_removed() -> Iterator[None]:
    """Leave no queue of ours behind."""
    try:
        yield
    finally:
        with Connection(RABBITMQ, connect_timeout=2) as connection:
            for queue in QUEUES:
                connection.default_channel.queue_delete(queue)
