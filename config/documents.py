"""The generated documents: the map of the contexts, the catalogue of their events for people and for programs, and the
sagas."""

from __future__ import annotations

import inspect
import json
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import fields, is_dataclass
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from config.asyncapi import asyncapi
from config.documents_format import GENERATED, code, joined, table
from config.landscape import Landscape, PublishedEvent
from config.saga_documents import saga_catalogue
from ecommerce import codec

MAP_INTRODUCTION = """
A solid arrow is a call through an `interface.py`, answered at once; a dotted one is an event through the outbox, heard
later. Calls flow down, events flow both ways.
"""
PLACES = """
The schema is also the name of the PostgreSQL role that owns it; the port is that of the context's web process when all
run as services.
"""
EVENTS_INTRODUCTION = """
What the contexts tell each other, through outbox, broker and inbox. Delivery is at least once and in order per
aggregate; a handler takes effect once. On the wire an event is JSON of the schema below (JSON Schema 2020-12): unknown
fields are ignored, so a field with a default may be added, and anything else is a new version of the type. Decimals are
strings, times RFC 3339 in UTC. Events carry ids, never personal data.

For programs: the same as [AsyncAPI](asyncapi.json), headers included, and each type's schema as it was
[released](schemas/events).
"""


def documents(landscape: Landscape) -> dict[str, str]:
    """Return file name → content of every generated document in ``docs/``."""
    return {
        "asyncapi.json": json.dumps(asyncapi(landscape), indent=2, ensure_ascii=False) + "\n",
        "context-map.md": context_map(landscape),
        "events.md": event_catalogue(landscape),
        "sagas.md": saga_catalogue(landscape),
    }


def context_map(landscape: Landscape) -> str:
    """Return the map: a diagram, and tables of contexts, calls and events."""
    contexts = [
        (context.name, _summary(context.app), code(context.schema), code(context.queue), str(context.port))
        for context in landscape.contexts
    ]
    calls = [
        (
            code(f"{method.interface.__name__}.{method.name}"),
            code(method.terms.scope),
            "yes" if method.terms.idempotent else "no",
            f"{method.terms.timeout:g} s",
            _list(method.callers),
        )
        for method in landscape.methods
    ]
    events = [
        (code(each.event.type), _list(each.publishers), _list(handler.name for handler in each.handlers))
        for each in landscape.events
    ]
    return joined(
        "# Context map",
        GENERATED,
        MAP_INTRODUCTION,
        "\n".join(("```mermaid", "flowchart TB", *_diagram(landscape), "```")),
        "## Contexts",
        PLACES,
        table(("context", "what it is", "schema and role", "queue", "port"), contexts),
        "## Calls",
        table(("method", "scope", "idempotent", "time", "called from"), calls),
        "## Events",
        "Their fields are in [events.md](events.md).",
        table(("event", "published by", "handlers"), events),
    )


def event_catalogue(landscape: Landscape) -> str:
    """Return every event with its meaning, fields, handlers and schema."""
    return joined(
        "# Events", GENERATED, EVENTS_INTRODUCTION, *(part for each in landscape.events for part in _chapter(each))
    )


def _chapter(published: PublishedEvent) -> Iterator[str]:
    event = published.event
    yield f"## {event.type}"
    yield inspect.getdoc(event) or ""
    yield table(
        ("aggregate", "published by", "handlers"),
        [(event.aggregate, _list(published.publishers), _list(handler.name for handler in published.handlers))],
    )
    yield _fields(event)
    for part in _parts(event):
        yield f"`{part.__name__}`:"
        yield _fields(part)
    schema = json.dumps(codec.json_schema(event), indent=2, ensure_ascii=False)
    yield f"<details><summary>JSON Schema</summary>\n\n```json\n{schema}\n```\n\n</details>"


def _parts(event: type[Any]) -> list[type[Any]]:
    """Return the dataclasses of the same module that an event is made of."""
    mentioned = {argument for hint in get_type_hints(event).values() for argument in (hint, *get_args(hint))}
    parts = [part for part in mentioned if isinstance(part, type) and is_dataclass(part)]
    return sorted((part for part in parts if part.__module__ == event.__module__), key=lambda part: part.__name__)


def _fields(class_: type[Any]) -> str:
    hints = get_type_hints(class_)
    return table(
        ("field", "type"), [(code(field.name), code(type_name(hints[field.name]))) for field in fields(class_)]
    )


def _diagram(landscape: Landscape) -> Iterator[str]:
    calls: dict[tuple[str, str], list[str]] = defaultdict(list)
    for method in landscape.methods:
        for caller in dict.fromkeys(module.partition(".")[0] for module in method.callers):
            calls[caller, method.context].append(method.name)
    events: dict[tuple[str, str], list[str]] = defaultdict(list)
    for each in landscape.events:
        for subscriber in dict.fromkeys(handler.context for handler in each.handlers):
            events[each.context, subscriber].append(each.event.type.removeprefix(f"{each.context}."))
    for context in landscape.contexts:
        yield f"    {context.name}"
    for (caller, owner), names in calls.items():
        yield f'    {caller} -->|"{"<br/>".join(names)}"| {owner}'
    for (publisher, subscriber), names in events.items():
        yield f'    {publisher} -.->|"{"<br/>".join(names)}"| {subscriber}'


def type_name(hint: Any) -> str:
    """Return a type as one writes it in an annotation, without modules."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        return " | ".join(map(type_name, arguments))
    if origin is not None:
        return f"{origin.__name__}[{', '.join(map(type_name, arguments))}]"
    return "None" if hint is NoneType else str(hint.__name__)


def _summary(package: str) -> str:
    """Return the first sentence of a package's docstring without the name that it begins with."""
    first_line = (inspect.getdoc(__import__(package, fromlist=["_"])) or "").partition("\n")[0]
    return first_line.partition(": ")[2] or first_line


def _list(names: Iterable[str]) -> str:
    return ", ".join(map(code, names)) or "nobody"
