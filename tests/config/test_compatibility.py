from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass
from enum import Enum
from typing import Any

import pytest

from config.compatibility import Difference, differences
from ecommerce import codec

RELEASED: dict[str, Any] = {
    "$ref": "#/$defs/Sent",
    "$defs": {
        "Sent": {
            "title": "Sent",
            "description": "A parcel left.",
            "type": "object",
            "properties": {
                "id": {"type": "string", "format": "uuid"},
                "pieces": {"type": "integer", "minimum": 1},
                "state": {"enum": ["lost", "sent"]},
                "way": {"$ref": "#/$defs/Way", "default": "air"},
                "to": {"anyOf": [{"type": "string", "format": "uuid"}, {"type": "null"}]},
                "lines": {"type": "array", "items": {"$ref": "#/$defs/Line"}},
                "weights": {"type": "object", "additionalProperties": {"type": "integer"}},
                "size": {"type": "array", "prefixItems": [{"type": "integer"}, {"type": "string"}], "items": False},
                "note": {"type": "string", "default": ""},
            },
            "required": ["id", "pieces", "state", "to", "lines", "weights", "size"],
        },
        "Line": {"title": "Line", "type": "object", "properties": {"sku": {"type": "string"}}, "required": ["sku"]},
        "Way": {"title": "Way", "enum": ["air", "road"]},
    },
}
SENT = "#/$defs/Sent"
FIELDS = f"{SENT}/properties"
GONE = object()


def changed(*edits: tuple[str, Any]) -> dict[str, Any]:
    """Return the released schema with values replaced, added or, by ``GONE``, taken away at paths below ``$defs``."""
    schema = deepcopy(RELEASED)
    for path, value in edits:
        *way, last = path.split(".")
        place: Any = schema["$defs"]
        for step in way:
            place = place[int(step)] if isinstance(place, list) else place[step]
        if value is GONE:
            del place[last]
        else:
            place[int(last) if isinstance(place, list) else last] = value
    return schema


def required(*names: str) -> tuple[str, list[str]]:
    return "Sent.required", [*names]


ALL = RELEASED["$defs"]["Sent"]["required"]
UUID_OR_NULL = RELEASED["$defs"]["Sent"]["properties"]["to"]["anyOf"]

COMPATIBLE = {
    "nothing": ([], []),
    "optional field added": (
        [("Sent.properties.carrier", {"type": "string", "default": ""})],
        [f"{FIELDS}/carrier: optional field added"],
    ),
    "optional field without a written default added": (
        [("Sent.properties.tags", {"type": "array"})],
        [f"{FIELDS}/tags: optional field added"],
    ),
    "optional field added to a part": (
        [("Line.properties.colour", {"type": "string", "default": ""})],
        ["#/$defs/Line/properties/colour: optional field added"],
    ),
    "description reworded": (
        [("Sent.description", "A parcel is on its way.")],
        [f"{SENT}/description: documentation changed"],
    ),
    "description added": ([("Line.description", "One.")], ["#/$defs/Line/description: documentation changed"]),
    "class renamed": ([("Sent.title", "SentV1")], [f"{SENT}/title: documentation changed"]),
    "alternatives in another order": ([("Sent.properties.to.anyOf", UUID_OR_NULL[::-1])], []),
    "enum in another order": ([("Sent.properties.state.enum", ["sent", "lost"])], []),
    "required in another order": ([required(*ALL[::-1])], []),
}

INCOMPATIBLE = {
    "field removed": (
        [("Sent.properties.pieces", GONE), required(*(name for name in ALL if name != "pieces"))],
        [f"{FIELDS}/pieces: field removed"],
    ),
    "optional field removed": ([("Sent.properties.note", GONE)], [f"{FIELDS}/note: field removed"]),
    "field of a part removed": (
        [("Line.properties.sku", GONE), ("Line.required", [])],
        ["#/$defs/Line/properties/sku: field removed"],
    ),
    "field renamed": (
        [("Sent.properties.note", GONE), ("Sent.properties.remark", {"type": "string"}), required(*ALL, "remark")],
        [f"{FIELDS}/note: field removed", f"{FIELDS}/remark: required field added"],
    ),
    "required field added": (
        [("Sent.properties.carrier", {"type": "string"}), required(*ALL, "carrier")],
        [f"{FIELDS}/carrier: required field added"],
    ),
    "field newly required": ([required(*ALL, "note")], [f"{FIELDS}/note: field newly required"]),
    "field no longer required": (
        [required(*ALL[1:])],
        [f"{FIELDS}/id: field no longer required, while readers of the released schema insist on it"],
    ),
    "type changed": (
        [("Sent.properties.pieces.type", "string")],
        [f'{FIELDS}/pieces/type: type changed from "integer" to "string"'],
    ),
    "type widened": (
        [("Sent.properties.pieces.type", "number")],
        [f'{FIELDS}/pieces/type: type changed from "integer" to "number"'],
    ),
    "type dropped": ([("Sent.properties.id.type", GONE)], [f'{FIELDS}/id/type: type removed: "string"']),
    "format changed": (
        [("Sent.properties.id.format", "date")],
        [f'{FIELDS}/id/format: format changed from "uuid" to "date"'],
    ),
    "format added": (
        [("Line.properties.sku.format", "uuid")],
        ['#/$defs/Line/properties/sku/format: format added: "uuid"'],
    ),
    "format dropped": ([("Sent.properties.id.format", GONE)], [f'{FIELDS}/id/format: format removed: "uuid"']),
    "limit moved": (
        [("Sent.properties.pieces.minimum", 2)],
        [f"{FIELDS}/pieces/minimum: minimum changed from 1 to 2"],
    ),
    "enum narrowed": ([("Sent.properties.state.enum", ["sent"])], [f'{FIELDS}/state/enum: values removed: ["lost"]']),
    "enum widened": (
        [("Way.enum", ["air", "road", "sea"])],
        ['#/$defs/Way/enum: values added: ["sea"]'],
    ),
    "enum value renamed": (
        [("Sent.properties.state.enum", ["gone", "sent"])],
        [f'{FIELDS}/state/enum: values removed: ["lost"]', f'{FIELDS}/state/enum: values added: ["gone"]'],
    ),
    "default changed": (
        [("Sent.properties.note.default", "none")],
        [f'{FIELDS}/note/default: default changed from "" to "none"'],
    ),
    "default beside a reference changed": (
        [("Sent.properties.way.default", "road")],
        [f'{FIELDS}/way/default: default changed from "air" to "road"'],
    ),
    "default that only looks the same": (
        [("Sent.properties.note.default", False), ("Sent.properties.pieces.minimum", True)],
        [
            f"{FIELDS}/pieces/minimum: minimum changed from 1 to true",
            f'{FIELDS}/note/default: default changed from "" to false',
        ],
    ),
    "null no longer allowed": (
        [("Sent.properties.to", {"type": "string", "format": "uuid"})],
        [f"{FIELDS}/to: several types became one"],
    ),
    "null newly allowed": (
        [("Sent.properties.id", {"anyOf": UUID_OR_NULL})],
        [f"{FIELDS}/id: one type became several"],
    ),
    "alternative added": (
        [("Sent.properties.to.anyOf", [*UUID_OR_NULL, {"type": "integer"}])],
        [f'{FIELDS}/to/anyOf: alternative added: {{"type": "integer"}}'],
    ),
    "alternative removed": (
        [("Sent.properties.to.anyOf", UUID_OR_NULL[:1])],
        [f"{FIELDS}/to/anyOf/1: alternative removed"],
    ),
    "alternative changed": (
        [("Sent.properties.to.anyOf.0.format", "date")],
        [f'{FIELDS}/to/anyOf/0/format: format changed from "uuid" to "date"'],
    ),
    "items changed": (
        [("Sent.properties.lines.items", {"type": "string"})],
        [
            f"{FIELDS}/lines/items/properties/sku: field removed",
            f'{FIELDS}/lines/items/type: type changed from "object" to "string"',
        ],
    ),
    "another class referred to": (
        [("Sent.properties.lines.items", {"$ref": "#/$defs/Way"})],
        ["#/$defs/Line/properties/sku: field removed"],
    ),
    "values of a mapping changed": (
        [("Sent.properties.weights.additionalProperties.type", "string")],
        [f'{FIELDS}/weights/additionalProperties/type: type changed from "integer" to "string"'],
    ),
    "element of a tuple changed": (
        [("Sent.properties.size.prefixItems.1.type", "integer")],
        [f'{FIELDS}/size/prefixItems/1/type: type changed from "string" to "integer"'],
    ),
    "tuple shortened": (
        [("Sent.properties.size.prefixItems", [{"type": "integer"}])],
        [f"{FIELDS}/size/prefixItems: prefixItems changed from"],
    ),
    "unknown fields forbidden": (
        [("Sent.additionalProperties", False)],
        [f"{SENT}/additionalProperties: additionalProperties added: false"],
    ),
}


@pytest.mark.parametrize(("edits", "expected"), COMPATIBLE.values(), ids=COMPATIBLE)
def test_what_others_can_follow_is_compatible(edits: list[tuple[str, Any]], expected: list[str]) -> None:
    found = differences(RELEASED, changed(*edits))

    assert [str(each) for each in found] == expected
    assert all(each.compatible for each in found)


@pytest.mark.parametrize(("edits", "expected"), INCOMPATIBLE.values(), ids=INCOMPATIBLE)
def test_what_others_cannot_follow_is_incompatible(edits: list[tuple[str, Any]], expected: list[str]) -> None:
    breaches = [str(each) for each in differences(RELEASED, changed(*edits)) if not each.compatible]

    assert all(any(breach.startswith(line) for breach in breaches) for line in expected), breaches


def test_compatible_and_incompatible_changes_are_told_apart_in_one_schema() -> None:
    found = differences(
        RELEASED, changed(("Sent.properties.carrier", {"type": "string"}), ("Sent.properties.pieces.type", "string"))
    )

    assert found == [
        Difference(f"{FIELDS}/pieces/type", 'type changed from "integer" to "string"'),
        Difference(f"{FIELDS}/carrier", "optional field added", compatible=True),
    ]


def test_a_change_of_a_part_used_twice_is_told_once() -> None:
    twice = changed(("Sent.properties.other", {"$ref": "#/$defs/Line"}))
    now = deepcopy(twice)
    now["$defs"]["Line"]["properties"]["sku"]["type"] = "integer"

    assert len(differences(twice, now)) == 1


def test_a_part_may_move_into_the_place_it_was_referred_from() -> None:
    inline = changed(("Sent.properties.lines.items", RELEASED["$defs"]["Line"]))

    assert differences(RELEASED, inline) == []


def test_a_class_that_contains_itself_is_compared() -> None:
    tree = {
        "$ref": "#/$defs/Node",
        "$defs": {
            "Node": {"type": "object", "properties": {"below": {"type": "array", "items": {"$ref": "#/$defs/Node"}}}}
        },
    }
    other = deepcopy(tree)
    other["$defs"]["Node"]["properties"]["name"] = {"type": "string", "default": ""}

    assert differences(tree, tree) == []
    assert [str(each) for each in differences(tree, other)] == ["#/$defs/Node/properties/name: optional field added"]


def test_names_are_escaped_in_pointers() -> None:
    released = {"type": "object", "properties": {"a/b~c": {"type": "string"}}}

    (difference,) = differences(released, {"type": "object", "properties": {}})

    assert difference.pointer == "#/properties/a~1b~0c"


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


@dataclass(frozen=True, kw_only=True)
class Before:
    name: str
    colour: Colour = Colour.RED


@dataclass(frozen=True, kw_only=True)
class After:
    """Painted."""

    name: str
    colour: Colour = Colour.RED
    coats: int | None = None


@dataclass(frozen=True, kw_only=True)
class Stricter:
    name: str
    colour: Colour


def test_schemas_of_classes_are_compared_as_the_codec_writes_them() -> None:
    added = differences(codec.json_schema(Before), codec.json_schema(After))
    stricter = differences(codec.json_schema(Before), codec.json_schema(Stricter))

    assert {each.change for each in added} == {"documentation changed", "optional field added"}
    assert "field newly required" in {each.change for each in stricter if not each.compatible}
