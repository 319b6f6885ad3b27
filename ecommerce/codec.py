"""Frozen dataclasses to JSON and back, with validation; their JSON Schema; and whatever JSON people send.

Contracts (interfaces, events) are standard-library dataclasses; only this module knows how they travel.
Decimals travel as strings, times as RFC 3339, UUIDs as text.
"""

from collections.abc import Iterable
from dataclasses import is_dataclass
from typing import Any, TypeVar, get_args, get_type_hints

import msgspec
import orjson

from ecommerce.contract import AtMost

T = TypeVar("T")

MAX_DEPTH = 64
"""Objects and lists within each other, in what people send. Nothing wants ten; Python and orjson give up at some
hundreds."""

_encoder = msgspec.json.Encoder(decimal_format="string", uuid_format="canonical")


class Undecodable(Exception):
    """The bytes or the object do not match the expected type."""


def encode(value: Any) -> bytes:
    """Return ``value`` (dataclasses, dicts, lists, scalars) as JSON bytes."""
    return _encoder.encode(value)


def decode(data: bytes | str, type_: type[T]) -> T:
    """Return ``data`` (JSON) as an instance of ``type_``; unknown fields are ignored.

    Raises:
        Undecodable: not JSON, or not of that shape.
    """
    try:
        return msgspec.json.decode(data, type=type_, strict=True)
    except msgspec.MsgspecError as error:
        raise Undecodable(str(error)) from error


def read_json(data: bytes) -> Any:
    """Return what somebody sent as plain objects: strict JSON in UTF-8, without NaN, that can be written again.
    Whole numbers of more than 64 bits become floats.

    Raises:
        Undecodable: not JSON, with the place of the mistake, or nested too deep.
    """
    try:
        value = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise Undecodable(str(error)) from error
    if data.count(b"[") + data.count(b"{") > MAX_DEPTH and _is_deeper(value, MAX_DEPTH):
        raise Undecodable(f"mais de {MAX_DEPTH} níveis.")
    return value


def to_builtins(value: Any) -> Any:
    """Return ``value`` as plain dicts, lists, strings and numbers, ready for a ``jsonb`` column."""
    return msgspec.to_builtins(value)


def from_builtins(value: Any, type_: type[T]) -> T:
    """Return plain objects (as from ``jsonb``) as an instance of ``type_``.

    Raises:
        Undecodable: the shape does not match.
    """
    try:
        return msgspec.convert(value, type=type_, strict=True)
    except msgspec.MsgspecError as error:
        raise Undecodable(str(error)) from error


def round_trip(value: Any, type_: Any) -> Any:
    """Return ``value`` after a trip over the wire as ``type_``: what a remote caller would receive."""
    return decode(encode(value), type_)


def json_schema(type_: type[Any]) -> dict[str, Any]:
    """Return the JSON Schema (2020-12) of ``type_``, with the limits that ``AtMost`` sets to fields of dataclasses."""
    schema = msgspec.json.schema(type_)
    _add_limits(schema.get("$defs", {}), type_)
    return schema


def json_schemas(types: Iterable[type[Any]], *, reference: str) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Return the schema of each of ``types``, and by name the classes that these refer to with ``reference``.

    ``reference`` says where the classes will stand, such as ``#/components/schemas/{name}``.
    """
    types = list(types)
    schemas, classes = msgspec.json.schema_components(types, ref_template=reference)
    for type_ in types:
        _add_limits(classes, type_)
    return list(schemas), classes


def _is_deeper(data: Any, most: int) -> bool:
    level = [data]
    for _ in range(most):
        level = [item for each in level for item in _items(each)]
    return any(isinstance(item, dict | list) for item in level)


def _items(value: Any) -> Iterable[Any]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


def _add_limits(classes: dict[str, Any], type_: Any) -> None:
    """Write the limits of all dataclasses in ``type_`` into their schemas, which stand under their names."""
    if not (isinstance(type_, type) and is_dataclass(type_)):
        for part in get_args(type_):
            _add_limits(classes, part)
        return
    for name, hint in get_type_hints(type_, include_extras=True).items():
        for note in getattr(hint, "__metadata__", ()):
            if isinstance(note, AtMost):
                classes[type_.__name__]["properties"][name]["maxItems"] = note.items
        if hint is not type_:
            _add_limits(classes, hint)
