"""The consumer's place in a Celery worker: one thread per local context."""

import threading
from typing import Any

from celery import bootsteps

from ecommerce.inbox.consumer import Consumer
from ecommerce.inbox.registry import bindings
from ecommerce.messaging.broker import Broker
from ecommerce.messaging.configured import get_broker
from ecommerce.messaging.threads import Supervised
from ecommerce.topology import Context, current


class ConsumerStep(bootsteps.StartStopStep):
    """Starts with the worker and, on a warm shutdown, finishes the batches in hand."""

    requires = ("celery.worker.components:Pool",)

    def __init__(self, parent: Any, **kwargs: Any) -> None:
        super().__init__(parent, **kwargs)
        self.threads: list[Supervised] = []

    def start(self, parent: Any) -> None:
        broker = get_broker()
        self.threads = [_thread(context, broker) for context in current().local]
        for thread in self.threads:
            thread.start()

    def stop(self, parent: Any) -> None:
        for thread in self.threads:
            thread.stop()
        for thread in self.threads:
            thread.join(timeout=15)

    terminate = stop


def _thread(context: Context, broker: Broker) -> Supervised:
    consumer = Consumer(context, broker)

    def run(stop: threading.Event) -> None:
        broker.declare({context.queue: bindings()[context.queue]})
        consumer.run(stop)

    return Supervised(f"consumer-{context.name}", run)
