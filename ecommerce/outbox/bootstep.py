"""The relay's place in a Celery worker: one thread per local context."""

from typing import Any

from celery import bootsteps

from ecommerce.messaging.configured import get_broker
from ecommerce.messaging.threads import Supervised
from ecommerce.outbox.relay import Relay
from ecommerce.topology import current


class RelayStep(bootsteps.StartStopStep):
    """Starts with the worker and, on a warm shutdown, publishes what is left before it ends."""

    requires = ("celery.worker.components:Pool",)

    def __init__(self, parent: Any, **kwargs: Any) -> None:
        super().__init__(parent, **kwargs)
        self.threads: list[Supervised] = []

    def start(self, parent: Any) -> None:
        broker = get_broker()
        self.threads = [
            Supervised(f"relay-{context.name}", Relay(context, broker).run) for context in current().local
        ]
        for thread in self.threads:
            thread.start()

    def stop(self, parent: Any) -> None:
        for thread in self.threads:
            thread.stop()
        for thread in self.threads:
            thread.join(timeout=15)

    terminate = stop
