"""Events as part of the request that set them off: what binds it again, and the spans of their way to the broker."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import replace

from ecommerce import codec
from ecommerce.messaging.broker import EXCHANGE
from ecommerce.messaging.envelope import Envelope, Message
from ecommerce.observability import context as request_context
from ecommerce.observability import tracing


def following(envelope: Envelope) -> AbstractContextManager[object]:
    """Let what is logged, published and asked for within the block name the event as its cause."""
    return request_context.bound(
        correlation_id=envelope.correlationid,
        causation_id=str(envelope.id),
        traceparent=envelope.traceparent,
        actor=envelope.actor,
    )


def following_message(message: Message) -> AbstractContextManager[object]:
    """As :func:`following`, for a message whose envelope may be unreadable: then nothing is bound."""
    envelope = _envelope(message)
    return following(envelope) if envelope else nullcontext()


@contextmanager
def sending(messages: Sequence[Message], *, system: str) -> Iterator[Sequence[Message]]:
    """Yield ``messages`` as they are to be sent within the block: whoever handles one continues the span of its
    sending, which continues the one that published it. Without tracing they are sent as they are, and so is one whose
    envelope cannot be read: whoever gets it parks it.
    """
    if not tracing.ENABLED:
        yield messages
        return
    spans = [_span(message, system).begin() for message in messages]
    try:
        yield [_continued(message, span) for message, span in zip(messages, spans, strict=True)]
    except BaseException as error:
        for span in spans:
            span.fail(type(error).__qualname__)
        raise
    finally:
        for span in spans:
            span.end()


def _span(message: Message, system: str) -> tracing.Span:
    envelope = _envelope(message)
    if envelope is None:
        return tracing.NOT_RECORDED
    attributes = {
        "messaging.system": system,
        "messaging.operation.type": "send",
        "messaging.operation.name": "send",
        "messaging.destination.name": EXCHANGE,
        "messaging.message.id": str(envelope.id),
        "messaging.message.conversation_id": envelope.correlationid,
        "messaging.rabbitmq.destination.routing_key": envelope.type,
        "correlation_id": envelope.correlationid,
    }
    return tracing.span(f"send {envelope.type}", attributes, kind="producer", parent=envelope.traceparent)


def _continued(message: Message, span: tracing.Span) -> Message:
    if span is tracing.NOT_RECORDED:
        return message
    return Message.of(replace(message.envelope, traceparent=span.traceparent), message.data)


def _envelope(message: Message) -> Envelope | None:
    try:
        return message.envelope
    except codec.Undecodable:
        return None
