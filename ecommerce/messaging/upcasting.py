"""Upcasters: how the data of an old version of an event becomes that of the next one.

The context that publishes an event keeps its upcasters beside its classes, in ``events.py``, so whoever subscribes to
the new class has imported them. A body in a queue or in the archive stays as it is; it is brought up to date when it is
read.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

from ecommerce import codec

UpcastFunction = Callable[[dict[str, Any]], dict[str, Any]]
F = TypeVar("F", bound=UpcastFunction)


@dataclass(frozen=True)
class Upcaster:
    """One step, from one version of an event to a later one."""

    from_type: str
    to_type: str
    function: UpcastFunction

    def __call__(self, data: dict[str, Any]) -> dict[str, Any]:
        try:
            return self.function(data)
        except Exception as error:
            raise codec.Undecodable(f"no upcast from {self.from_type} to {self.to_type}: {error!r}") from error


_upcasters: dict[str, Upcaster] = {}


def upcaster(*, from_type: str, to: type[Any]) -> Callable[[F], F]:
    """Register a pure function from the data of ``from_type`` to the data of the event class ``to``.

    Both are plain JSON objects: decimals, times and ids are strings. The function may change the one it is given.

    Raises:
        ValueError: ``from_type`` has another upcaster, or is reached again from ``to``.
    """

    def register(function: F) -> F:
        step = Upcaster(from_type, to.type, function)
        known = _upcasters.get(from_type)
        if known and (known.to_type, known.function.__qualname__) != (step.to_type, function.__qualname__):
            raise ValueError(f"{from_type} has two upcasters")
        if from_type in (step.to_type, *(later.to_type for later in _steps(step.to_type))):
            raise ValueError(f"the upcaster from {from_type} to {step.to_type} closes a loop")
        _upcasters[from_type] = step
        return function

    return register


def upcast(type_: str, data: bytes, *, handled: Container[str]) -> tuple[str, bytes]:
    """Bring the data of an event to the nearest later version among the types ``handled``.

    Returns the type and the data as they came when that type is handled itself, or when no chain of upcasters ends in
    one that is. The result is not validated: decoding it does that.

    Raises:
        codec.Undecodable: the data is not a JSON object, or an upcaster failed on it.
    """
    path = [] if type_ in handled else _path(type_, handled)
    if not path:
        return type_, data
    fields = codec.decode(data, dict[str, Any])
    for step in path:
        fields = step(fields)
    return path[-1].to_type, codec.encode(fields)


def with_older(types: Iterable[str]) -> set[str]:
    """Return ``types`` and every older type that :func:`upcast` brings to one of them."""
    handled = set(types)
    return handled | {older for older in _upcasters if _path(older, handled)}


def superseded() -> frozenset[str]:
    """Return the types that have an upcaster: nobody publishes them any more, queues and archives may hold them."""
    return frozenset(_upcasters)


def _path(type_: str, handled: Container[str]) -> list[Upcaster]:
    """Return the steps to the first later type that is handled, none if there is no such type."""
    path = []
    for step in _steps(type_):
        path.append(step)
        if step.to_type in handled:
            return path
    return []


def _steps(type_: str) -> Iterator[Upcaster]:
    while step := _upcasters.get(type_):
        yield step
        type_ = step.to_type
