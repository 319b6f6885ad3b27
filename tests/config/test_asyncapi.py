from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from jsonschema import Draft202012Validator

from config.asyncapi import asyncapi
from config.landscape import Landscape
from ecommerce.ids import new_id
from ecommerce.inbox.registry import bindings, handlers
from ecommerce.messaging import upcasting
from ecommerce.messaging.envelope import Envelope
from ecommerce.messaging.upcasting import upcaster
from ecommerce.topology import current

GOLDEN = sorted((settings.BASE_DIR / "tests" / "golden" / "events").glob("*.json"))
REFERENCE = {
    "type": "object",
    "properties": {"$ref": {"type": "string", "pattern": "^#/"}},
    "required": ["$ref"],
    "additionalProperties": False,
}
AMQP = {"type": "object", "properties": {"bindingVersion": {"const": "0.3.0"}}, "required": ["bindingVersion"]}
CHANNEL = {
    "type": "object",
    "properties": {
        "address": {"type": "string"},
        "messages": {"type": "object", "additionalProperties": REFERENCE, "minProperties": 1},
        "description": {"type": "string"},
        "bindings": {
            "type": "object",
            "properties": {
                "amqp": {
                    **AMQP,
                    "properties": {
                        "is": {"const": "routingKey"},
                        "exchange": {
                            "type": "object",
                            "properties": {"name": {"const": "commerce.events"}, "type": {"const": "topic"}},
                            "required": ["name", "type", "durable"],
                        },
                    },
                    "required": ["is", "exchange"],
                    "not": {"required": ["queue"]},
                }
            },
        },
    },
    "required": ["address", "messages", "bindings"],
    "additionalProperties": False,
}
OPERATION = {
    "type": "object",
    "properties": {
        "action": {"enum": ["send", "receive"]},
        "channel": REFERENCE,
        "messages": {"type": "array", "items": REFERENCE, "minItems": 1},
        "summary": {"type": "string"},
        "tags": {"type": "array", "items": {"type": "object", "required": ["name"]}, "uniqueItems": True},
        "bindings": {"type": "object", "properties": {"amqp": AMQP}},
    },
    "required": ["action", "channel", "messages"],
    "patternProperties": {"^x-[a-z-]+$": True},
    "additionalProperties": False,
}
MESSAGE = {
    "type": "object",
    "properties": {
        "name": {"type": "string"},
        "title": {"type": "string"},
        "summary": {"type": "string", "minLength": 1},
        "contentType": {"const": "application/json"},
        "headers": {"type": "object"},
        "payload": {"type": "object"},
        "deprecated": {"type": "boolean"},
        "correlationId": {
            "type": "object",
            "properties": {"location": {"type": "string", "pattern": r"^\$message\.(header|payload)#(/[^/]+)+$"}},
            "required": ["location"],
        },
        "bindings": {"type": "object", "properties": {"amqp": AMQP}},
    },
    "required": ["name", "headers", "payload"],
    "patternProperties": {"^x-[a-z-]+$": True},
    "additionalProperties": False,
}
NAMES = {"pattern": r"^[a-zA-Z0-9._-]+$"}
STRUCTURE = {
    "type": "object",
    "properties": {
        "asyncapi": {"const": "3.0.0"},
        "info": {
            "type": "object",
            "properties": {"title": {"type": "string"}, "version": {"type": "string"}},
            "required": ["title", "version"],
        },
        "defaultContentType": {"const": "application/json"},
        "channels": {"type": "object", "additionalProperties": CHANNEL, "minProperties": 1},
        "operations": {"type": "object", "additionalProperties": OPERATION, "minProperties": 1},
        "components": {
            "type": "object",
            "properties": {
                "messages": {"type": "object", "propertyNames": NAMES, "additionalProperties": MESSAGE},
                "schemas": {"type": "object", "propertyNames": NAMES, "additionalProperties": {"type": "object"}},
            },
            "additionalProperties": False,
        },
    },
    "required": ["asyncapi", "info", "channels", "operations"],
    "additionalProperties": False,
}
"""What AsyncAPI 3.0.0 and its AMQP bindings 0.3.0 ask of the parts that the document uses."""


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return asyncapi(Landscape(current()))


@pytest.fixture
def envelope() -> Envelope:
    return Envelope(
        id=new_id(), source="/contexts/order", type="order.placed.v1", subject="s", time=datetime.now(UTC),
        partitionkey="s", sequence=3,
    )  # fmt: skip


def references(part: Any) -> Iterator[str]:
    if isinstance(part, dict):
        if isinstance(part.get("$ref"), str):
            yield part["$ref"]
        part = list(part.values())
    if isinstance(part, list):
        for each in part:
            yield from references(each)


def target(document: dict[str, Any], reference: str) -> Any:
    place: Any = document
    for step in reference.removeprefix("#/").split("/"):
        place = place[step]
    return place


def validator(document: dict[str, Any], schema: dict[str, Any]) -> Draft202012Validator:
    """Return what validates against a schema of the document, whose references start at the document's root."""
    return Draft202012Validator(
        {"components": document["components"], "allOf": [schema]},
        format_checker=Draft202012Validator.FORMAT_CHECKER,
    )


def operations(document: dict[str, Any], action: str) -> dict[str, dict[str, Any]]:
    return {name: each for name, each in document["operations"].items() if each["action"] == action}


def test_it_has_the_structure_of_asyncapi_3(document: dict[str, Any]) -> None:
    Draft202012Validator.check_schema(STRUCTURE)

    assert [error.message for error in Draft202012Validator(STRUCTURE).iter_errors(document)] == []


def test_it_is_json_and_the_same_each_time(document: dict[str, Any]) -> None:
    assert json.loads(json.dumps(document)) == document == asyncapi(Landscape(current()))


def test_every_reference_leads_somewhere(document: dict[str, Any]) -> None:
    found = set(references(document))

    assert {"#/channels/order.placed.v1", "#/components/schemas/Money"} <= found
    assert all(target(document, reference) for reference in found)


def test_a_channel_is_the_routing_key_of_one_event_type(document: dict[str, Any]) -> None:
    types = [each.event.type for each in Landscape(current()).events]

    assert [channel["address"] for channel in document["channels"].values()] == types
    assert list(document["channels"]) == types == list(document["components"]["messages"])


def test_an_operation_names_a_message_of_its_channel(document: dict[str, Any]) -> None:
    for operation in document["operations"].values():
        channel = operation["channel"]["$ref"]
        assert all(each["$ref"].startswith(f"{channel}/messages/") for each in operation["messages"])


def test_a_context_sends_what_it_publishes(document: dict[str, Any]) -> None:
    sent = operations(document, "send")

    assert set(sent) == {
        f"{each.context}.send.{each.event.type}" for each in Landscape(current()).events if each.publishers
    }
    assert all(each["bindings"]["amqp"]["mandatory"] for each in sent.values())


def test_a_queue_receives_what_it_is_bound_to(document: dict[str, Any]) -> None:
    received = {(each["x-queue"], each["channel"]["$ref"]) for each in operations(document, "receive").values()}

    assert received == {(queue, f"#/channels/{type_}") for queue, types in bindings().items() for type_ in types}
    assert document["operations"]["catalog.receive.order.confirmed.v1"]["summary"] == (
        "Handled by `catalog.commit_reserved_stock`."
    )


def test_every_schema_is_a_json_schema(document: dict[str, Any]) -> None:
    for schema in document["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)
    for message in document["components"]["messages"].values():
        Draft202012Validator.check_schema(message["headers"])


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
def test_a_message_that_travelled_fits_its_schemas(document: dict[str, Any], path: Path) -> None:
    stored = json.loads(path.read_text())
    message = document["components"]["messages"][stored["headers"]["cloudEvents_type"]]

    validator(document, message["payload"]).validate(stored["body"])
    validator(document, message["headers"]).validate(stored["headers"])


def test_headers_are_those_that_an_envelope_writes(document: dict[str, Any], envelope: Envelope) -> None:
    full = replace(
        envelope, correlationid="c", causationid="c", traceparent="t", actor="a", replay="r", idempotencykey="i"
    )
    schema = document["components"]["schemas"]["EnvelopeHeaders"]

    assert set(full.headers()) == set(schema["properties"])
    assert set(envelope.headers()) == set(schema["required"])
    for headers in (full.headers(), envelope.headers()):
        validator(document, schema).validate(headers)


@pytest.mark.parametrize(
    "wrong",
    [
        {"cloudEvents_id": "7"},
        {"cloudEvents_sequence": "first"},
        {"cloudEvents_sequence": 3},
        {"cloudEvents_specversion": "2.0"},
        {"cloudEvents_type": "order.shipped.v1"},
        {"cloudEvents_source": "/contexts/cart"},
    ],
    ids=lambda wrong: str(wrong),
)
def test_headers_of_another_kind_do_not_fit(
    document: dict[str, Any], envelope: Envelope, wrong: dict[str, Any]
) -> None:
    headers = validator(document, document["components"]["messages"]["order.placed.v1"]["headers"])

    assert headers.is_valid(envelope.headers())
    assert not headers.is_valid({**envelope.headers(), **wrong})


@pytest.mark.parametrize("name", ["id", "source", "type", "subject", "time", "partitionkey", "sequence", "specversion"])
def test_headers_without_what_an_envelope_needs_do_not_fit(
    document: dict[str, Any], envelope: Envelope, name: str
) -> None:
    headers = envelope.headers()
    del headers[f"cloudEvents_{name}"]

    assert not validator(document, document["components"]["schemas"]["EnvelopeHeaders"]).is_valid(headers)


def test_an_old_version_is_deprecated_and_received_by_those_who_handle_its_successor(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(upcasting, "_upcasters", {})
    successor = next(each.event for each in handlers(context="notification") if each.event.type != "cart.abandoned.v1")
    upcaster(from_type="cart.abandoned.v1", to=successor)(dict)

    document = asyncapi(Landscape(current()))

    assert document["components"]["messages"]["cart.abandoned.v1"]["deprecated"] is True
    assert "deprecated" not in document["components"]["messages"][successor.type]
    assert "notification.receive.cart.abandoned.v1" in document["operations"]
