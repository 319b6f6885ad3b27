"""Released schemas: what each event promised when others began to rely on it, one file per event type.

They are the memory that code lacks. A file is written when a type is new or changed compatibly, and never otherwise. An
old version of an event keeps its class and its file; both go together, when no archive holds such an event any more.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from config.compatibility import differences
from ecommerce import codec

DIALECT = "https://json-schema.org/draft/2020-12/schema"
RULE = "make a new version of the type and an upcaster; keep the old class for as long as the archive holds it"


class Incompatible(Exception):
    """Something changed in a way that those who rely on what was released could not follow."""


@dataclass
class Gate:
    """The code beside what was released; every line names event or saga, place and change."""

    rule: str = RULE
    breaches: list[str] = field(default_factory=list)
    unreleased: dict[str, list[str]] = field(default_factory=dict)
    """Name to what is new about it."""

    @property
    def refusal(self) -> str:
        """What to tell about the breaches, empty without any."""
        lines = ("Incompatible with what was released:", *self.breaches, f"Rule: {self.rule}.")
        return "\n".join(lines) if self.breaches else ""

    @property
    def reminder(self) -> str:
        """What to tell about changes that only wait for their release, empty without any."""
        news = [line for of_event in self.unreleased.values() for line in of_event]
        return "\n".join(("Not released yet:", *news, "Run: make release-schemas")) if news else ""


def gate(events: Sequence[type[Any]], directory: Path) -> Gate:
    """Compare event classes with the files in ``directory``, which need not exist."""
    result = Gate()
    released = {path.name.removesuffix(".json"): json.loads(path.read_text()) for path in directory.glob("*.json")}
    for event in events:
        _compare(event, released.get(event.type), result)
    for type_ in sorted(released.keys() - {event.type for event in events}):
        result.breaches.append(f"  {type_} #: no class has this type any more")
    return result


def release(events: Sequence[type[Any]], directory: Path) -> list[str]:
    """Write the schemas of new types and of compatible changes; return their types.

    Raises:
        Incompatible: some change is not compatible; nothing was written.
    """
    result = gate(events, directory)
    if result.breaches:
        raise Incompatible(result.refusal)
    directory.mkdir(parents=True, exist_ok=True)
    for event in events:
        if event.type in result.unreleased:
            (directory / f"{event.type}.json").write_text(text(schema(event)))
    return list(result.unreleased)


def schema(event: type[Any]) -> dict[str, Any]:
    """Return the JSON Schema of an event as it is released."""
    return {"$schema": DIALECT, **codec.json_schema(event)}


def text(released: dict[str, Any]) -> str:
    """Return a schema as its file holds it."""
    return json.dumps(released, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def _compare(event: type[Any], released: dict[str, Any] | None, result: Gate) -> None:
    current = schema(event)
    if released is None:
        result.unreleased[event.type] = [f"  {event.type} #: new event type"]
    elif text(released) != text(current):
        found = differences(released, current)
        breaches = [f"  {event.type} {each}" for each in found if not each.compatible]
        result.breaches += breaches
        if not breaches:
            changes = [f"  {event.type} {each}" for each in found]
            result.unreleased[event.type] = changes or [f"  {event.type} #: written in another order"]
