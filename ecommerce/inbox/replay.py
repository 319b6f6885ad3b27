"""Events that were published before, handed to one handler again."""

from __future__ import annotations

from ecommerce.inbox.consumer import Consumer
from ecommerce.inbox.registry import Handler
from ecommerce.messaging.broker import Broker
from ecommerce.messaging.upcasting import with_older
from ecommerce.topology import current


class ReplayConsumer(Consumer):
    """A consumer whose context has a single handler. Give batches to ``handle``: it is not made to run on a queue,
    where it would park what the other handlers listen to.

    May work beside the consumer of the queue: the inbox lets each message take effect once.
    """

    def __init__(self, handler: Handler, broker: Broker) -> None:
        super().__init__(current()[handler.context], broker)
        self._handlers = {type_: [handler] for type_ in with_older([handler.event.type])}
