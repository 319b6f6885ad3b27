"""What runs in a Celery worker beside its tasks: a relay and a consumer thread for each context served here, one that
writes down what all of them did, and an endpoint for whoever watches.

``settings.EVENT_THREADS`` may leave relays or consumers to other workers."""

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
from ecommerce.observability import health
from ecommerce.observability.endpoint import Endpoint, serve
from ecommerce.observability.flow import Recorder
from ecommerce.outbox.relay import Relay
from ecommerce.topology import current

SHUTDOWN_SECONDS = 15
SILENT_SECONDS = 60.0
"""After which a thread is taken to hang. A batch takes less, and a broker that does not confirm ten seconds."""


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
        health.register("threads", self.check, essential=True)

    def check(self) -> None:
        """Raise Unhealthy with the names of the threads that hang, or have failed and not recovered yet."""
        if unwell := [thread.name for thread in self.threads if not thread.is_well(within=SILENT_SECONDS)]:
            raise health.Unhealthy(", ".join(unwell))

    def stop(self, parent: Any) -> None:
        health.unregister("threads")
        for thread in self.threads:
            thread.stop()
        for thread in self.threads:
            thread.join(timeout=SHUTDOWN_SECONDS)

    terminate = stop


class Watched(bootsteps.StartStopStep):
    """Answers ``/health``, ``/ready``, ``/live`` and ``/metrics`` on ``settings.WORKER_PORT``, if that is set."""

    requires = (EventThreads,)

    def __init__(self, parent: Any, **kwargs: Any) -> None:
        super().__init__(parent, **kwargs)
        self.endpoint: Endpoint | None = None

    def start(self, parent: Any) -> None:
        if settings.WORKER_PORT:
            self.endpoint = serve(settings.WORKER_PORT)

    def stop(self, parent: Any) -> None:
        if self.endpoint:
            self.endpoint.shutdown()
            self.endpoint.server_close()

    terminate = stop


def _declared(broker: Broker, run: Callable[[threading.Event], None]) -> Callable[[threading.Event], None]:
    """Make the queues exist before anything is published or read, also when the broker comes up later than we do."""

    def declared_run(stop: threading.Event) -> None:
        broker.declare(bindings())
        run(stop)

    return declared_run
