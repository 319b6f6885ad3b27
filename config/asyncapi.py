"""The events as an AsyncAPI 3.0 document: what travels on which routing key, who sends it and whose queue receives it.

One channel and one message per event type. An operation has one channel, so there is one for every context and type.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from dataclasses import MISSING, fields
from typing import Any, get_type_hints
from uuid import UUID

from django.conf import settings

from config.landscape import Landscape, PublishedEvent
from ecommerce import codec
from ecommerce.inbox.registry import bindings
from ecommerce.messaging.broker import EXCHANGE, MAX_MESSAGE_BYTES
from ecommerce.messaging.envelope import PREFIX, Envelope
from ecommerce.messaging.upcasting import superseded
from ecommerce.topology import Context

Document = dict[str, Any]

VERSION = "3.0.0"
AMQP_BINDING = "0.3.0"
HEADERS = "#/components/schemas/EnvelopeHeaders"
DESCRIPTION = f"""
Delivery is at least once, and in order for one `{PREFIX}subject`. Messages are CloudEvents 1.0 in binary mode: the
attributes are headers, the body is the data alone, at most {MAX_MESSAGE_BYTES // 1024} KiB of JSON. Readers ignore
unknown fields and headers. `{PREFIX}id` tells duplicates apart.
"""
FORMATS = {UUID: {"format": "uuid"}, int: {"pattern": "^[0-9]+$"}}
"""What a header's text looks like, by the type of the attribute."""


def asyncapi(landscape: Landscape) -> Document:
    """Return the document of all events of a process that runs every context."""
    payloads, classes = codec.json_schemas(
        [each.event for each in landscape.events], reference="#/components/schemas/{name}"
    )
    return {
        "asyncapi": VERSION,
        "info": {
            "title": "Events between the contexts",
            "version": settings.SPECTACULAR_SETTINGS["VERSION"],
            "description": " ".join(DESCRIPTION.split()),
        },
        "defaultContentType": "application/json",
        "channels": {each.event.type: _channel(each) for each in landscape.events},
        "operations": dict(_operations(landscape)),
        "components": {
            "messages": {
                each.event.type: _message(each, landscape.topology[each.context], payload)
                for each, payload in zip(landscape.events, payloads, strict=True)
            },
            "schemas": {"EnvelopeHeaders": envelope_headers(), **classes},
        },
    }


def envelope_headers() -> Document:
    """Return the JSON Schema of the headers of any event, as :meth:`Envelope.headers` writes them: texts, all of them.

    An attribute that is empty is left out.
    """
    hints = get_type_hints(Envelope)
    attributes = {
        field.name: {"type": "string", "minLength": 1, **FORMATS.get(hints[field.name], {})}
        for field in fields(Envelope)
    }
    attributes["time"]["format"] = "date-time"
    required = ["specversion", *(field.name for field in fields(Envelope) if field.default is MISSING)]
    return {
        "title": "EnvelopeHeaders",
        "description": inspect.getdoc(Envelope),
        "type": "object",
        "properties": {
            f"{PREFIX}specversion": {"type": "string", "const": "1.0"},
            **{f"{PREFIX}{name}": schema for name, schema in attributes.items()},
        },
        "required": [f"{PREFIX}{name}" for name in required],
    }


def _channel(published: PublishedEvent) -> Document:
    type_ = published.event.type
    exchange = {"name": EXCHANGE, "type": "topic", "durable": True, "autoDelete": False}
    return {
        "address": type_,
        "messages": {type_: {"$ref": f"#/components/messages/{type_}"}},
        "description": f"Routing key `{type_}` on the exchange `{EXCHANGE}`.",
        "bindings": {"amqp": {"is": "routingKey", "exchange": exchange, "bindingVersion": AMQP_BINDING}},
    }


def _message(published: PublishedEvent, publisher: Context, payload: Document) -> Document:
    event = published.event
    constants = {f"{PREFIX}type": {"const": event.type}, f"{PREFIX}source": {"const": publisher.source}}
    message = {
        "name": event.type,
        "title": event.__name__,
        "summary": inspect.getdoc(event) or "",
        "contentType": "application/json",
        "headers": {"allOf": [{"$ref": HEADERS}, {"type": "object", "properties": constants}]},
        "payload": payload,
        "correlationId": {"location": f"$message.header#/{PREFIX}correlationid"},
        "bindings": {"amqp": {"messageType": event.type, "bindingVersion": AMQP_BINDING}},
        "x-aggregate": event.aggregate,
    }
    return {**message, "deprecated": True} if event.type in superseded() else message


def _operations(landscape: Landscape) -> Iterator[tuple[str, Document]]:
    """Yield what each context sends and then receives; an old version that only archives hold is sent by nobody."""
    bound = bindings()
    for context in landscape.contexts:
        for each in landscape.events:
            if each.context == context.name and each.publishers:
                yield f"{context.name}.send.{each.event.type}", _send(each)
        for each in landscape.events:
            if each.event.type in bound[context.queue]:
                yield f"{context.name}.receive.{each.event.type}", _receive(each, context)


def _send(published: PublishedEvent) -> Document:
    return {
        "action": "send",
        **_references(published),
        "tags": [{"name": published.context}],
        "bindings": {"amqp": {"deliveryMode": 2, "mandatory": True, "bindingVersion": AMQP_BINDING}},
    }


def _receive(published: PublishedEvent, context: Context) -> Document:
    names = [f"`{handler.name}`" for handler in published.handlers if handler.context == context.name]
    return {
        "action": "receive",
        **_references(published),
        "summary": f"Handled by {', '.join(names)}." if names else "Brought to a later version, then handled.",
        "tags": [{"name": context.name}],
        "bindings": {"amqp": {"ack": True, "bindingVersion": AMQP_BINDING}},
        "x-queue": context.queue,
    }


def _references(published: PublishedEvent) -> Document:
    channel = f"#/channels/{published.event.type}"
    return {"channel": {"$ref": channel}, "messages": [{"$ref": f"{channel}/messages/{published.event.type}"}]}
