"""What runs in a Celery worker beside its tasks: a relay and a consumer thread for each context that is
served here, and one that writes down what all of them did.

``settings.EVENT_THREADS`` may leave one of the two to other workers."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from celery import bootsteps
from django.conf import settings

from ecommerce.inbox.consumer import Consumer
from ecommerce.inbox.registry import bindings
from ecommerce.messaging.broker import Broker
from ecommerce.messaging.configured import get_broker
from ecommerce.messaging.threads import Supervised
from ecommerce.observability.flow import Recorder
from ecommerce.outbox.relay import Relay
from ecommerce.topology import current

SHUTDOWN_SECONDS = 15


class EventThreads(bootsteps.StartStopStep):
    """Starts with the worker. On a warm shutdown consumers finish their batch and relays publish what is left."""

    requires = ("celery.worker.components:Pool",)

    def __init__(self, parent: Any, **kwargs: Any) -> None:
        super().__init__(parent, **kwargs)
        self.threads: list[Supervised] = []

    def start(self, parent: Any) -> None:
        broker = get_broker()
        parts: dict[str, Any] = {"relay": Relay, "consumer": Consumer}
        served = current().served
        self.threads.append(Supervised("flow", Recorder([context.alias for context in served]).run))
        for context in served:
            for part in settings.EVENT_THREADS:
                run = parts[part](context, broker).run
                self.threads.append(Supervised(f"{part}-{context.name}", _declared(broker, run)))
        for thread in self.threads:
            thread.start()

    def stop(self, parent: Any) -> None:
        for thread in self.threads:
            thread.stop()
        for thread in self.threads:
            thread.join(timeout=SHUTDOWN_SECONDS)

    terminate = stop


def _declared(broker: Broker, run: Callable[[threading.Event], None]) -> Callable[[threading.Event], None]:
    """Make the queues exist before anything is published or read, also when the broker comes up later than we do."""

    def declared_run(stop: threading.Event) -> None:
        broker.declare(bindings())
        run(stop)

    return declared_run
