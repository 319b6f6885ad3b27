"""The envelope of an event: CloudEvents 1.0 attributes, binary mode.

Attributes travel as message headers prefixed ``cloudEvents_`` (the CloudEvents AMQP binding's prefix); the message body
is the event's data alone.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from ecommerce import codec

PREFIX = "cloudEvents_"


@dataclass(frozen=True, kw_only=True)
class Envelope:
    """Who says what about which aggregate.

    ``id`` is the de-duplication key. ``sequence`` is the aggregate's version: for one ``subject`` it only grows.
    ``replay`` names the run when the event is sent again on purpose, so that a sender of messages can skip it.
    """

    id: UUID
    source: str
    type: str
    subject: str
    time: datetime
    partitionkey: str
    sequence: int
    correlationid: str = ""
    causationid: str = ""
    traceparent: str = ""
    actor: str = ""
    replay: str = ""
    idempotencykey: str = ""

    def headers(self) -> dict[str, str]:
        """Return the attributes that are set, as message headers."""
        attributes = {"specversion": "1.0", **codec.to_builtins(self)}
        return {f"{PREFIX}{name}": str(value) for name, value in attributes.items() if value != ""}

    @classmethod
    def from_headers(cls, headers: dict[str, Any]) -> "Envelope":
        """Read an envelope from message headers; unknown attributes are ignored.

        Raises:
            codec.Undecodable: a required attribute is missing or malformed.
        """
        attributes = {name.removeprefix(PREFIX): value for name, value in headers.items() if name.startswith(PREFIX)}
        try:
            attributes["sequence"] = int(attributes["sequence"])
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise codec.Undecodable(f"envelope without a sequence: {error}") from error
        return codec.from_builtins(attributes, cls)


@dataclass(frozen=True)
class Message:
    """An event on the wire. ``headers`` are its envelope's, as a JSON object; ``data`` is JSON. What the outbox holds
    goes out as it is."""

    id: UUID
    type: str
    headers: str
    data: bytes

    @classmethod
    def of(cls, envelope: Envelope, data: bytes) -> "Message":
        return cls(envelope.id, envelope.type, codec.encode(envelope.headers()).decode(), data)

    @property
    def envelope(self) -> Envelope:
        return Envelope.from_headers(codec.decode(self.headers, dict[str, Any]))
