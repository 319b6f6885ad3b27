"""Frozen dataclasses to JSON and back, with validation; and their JSON Schema.

Contracts (interfaces, events) are standard-library dataclasses; only this module knows how they travel.
Decimals travel as strings, times as RFC 3339, UUIDs as text.
"""

from collections.abc import Iterable
from typing import Any, TypeVar

import msgspec

T = TypeVar("T")

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
    """Return the JSON Schema (2020-12) of ``type_``."""
    return msgspec.json.schema(type_)


def json_schemas(types: Iterable[type[Any]], *, reference: str) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Return the schema of each of ``types``, and by name the classes that these refer to with ``reference``.

    ``reference`` says where the classes will stand, such as ``#/components/schemas/{name}``.
    """
    schemas, classes = msgspec.json.schema_components(types, ref_template=reference)
    return list(schemas), classes
