"""The broker port: what relay and consumer need of any broker.

Delivery is at least once and, for one ``subject``, in publishing order. De-duplication is the inbox's work.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar
from uuid import UUID

from ecommerce.messaging.envelope import Message

EXCHANGE = "commerce.events"
MAX_MESSAGE_BYTES = 256 * 1024


class BrokerUnavailable(Exception):
    """The broker cannot be reached, or did not answer in time. Nothing is known of unconfirmed messages."""


@dataclass(frozen=True)
class Published:
    """The outcome of one publishing window. A message in neither was not confirmed: send it again later."""

    confirmed: frozenset[UUID] = frozenset()
    refused: Mapping[UUID, str] = field(default_factory=dict)
    """Messages the broker took but could not route or store, with the reason."""


@dataclass(frozen=True)
class Delivery:
    """A message handed to a consumer; ``tag`` is the broker's own handle of it."""

    tag: Any
    headers: dict[str, Any]
    data: bytes
    again: bool = False
    """Whether the queue's former reader may have been handed it too, and may have died of it."""


class Publisher(ABC):
    @abstractmethod
    def publish(self, messages: Sequence[Message], *, timeout: float) -> Published:
        """Send one window of messages and wait up to ``timeout`` seconds for all confirms.

        Raises:
            BrokerUnavailable: no connection, or it broke; every message of the window may or may not have arrived.
        """

    @abstractmethod
    def keep_alive(self) -> None:
        """Show the broker that somebody is there, about once a second while there is nothing to publish.

        A connection that is lost meanwhile is dropped without a word: nothing was under way.
        """

    @abstractmethod
    def close(self) -> None:
        """Drop the connection; the next ``publish`` opens a new one."""


class Subscription(ABC):
    """One exclusive reader of a queue. While it lives, nobody else is handed messages of that queue."""

    @abstractmethod
    def receive(self, *, limit: int, timeout: float) -> list[Delivery]:
        """Return up to ``limit`` messages in order, waiting up to ``timeout`` seconds for the first.

        Empty as long as another reader holds the queue.

        Raises:
            BrokerUnavailable: the connection broke; unacknowledged messages will come again.
        """

    @abstractmethod
    def acknowledge(self, deliveries: Sequence[Delivery]) -> None:
        """Remove handled messages from the queue, in one round trip."""

    @abstractmethod
    def close(self) -> None:
        """Give the queue back; unacknowledged messages will come again."""


class Broker(ABC):
    system: ClassVar[str] = ""
    """What OpenTelemetry calls it."""

    @abstractmethod
    def declare(self, bindings: Mapping[str, Sequence[str]]) -> None:
        """Create the queues, each bound to its event types. Idempotent.

        A binding that is no longer named may stay, where the protocol cannot list bindings: what it brings is parked by
        the consumer as unknown.
        """

    @abstractmethod
    def publisher(self) -> Publisher: ...

    @abstractmethod
    def subscribe(self, queue: str) -> Subscription: ...

    @abstractmethod
    def check(self) -> None:
        """Raise BrokerUnavailable unless the broker answers now."""

    def shares_database(self, alias: str) -> bool:
        """Tell whether queues live in the database of ``alias``, so that hand-off can be part of a transaction there.

        If so, the adapter has ``hand_off``.
        """
        return False

    def hand_off(self, alias: str, messages: Sequence[Message]) -> Published:
        """Enqueue ``messages``, in order, as part of the caller's open transaction on ``alias``."""
        raise TypeError(f"{type(self).__name__} cannot join a database transaction")
