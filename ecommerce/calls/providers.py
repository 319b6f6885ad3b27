"""The implementations of the interfaces that live in this process."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

T = TypeVar("T")

_providers: dict[type[Any], Any] = {}
_stand_ins: dict[type[Any], Any] = {}


def provides(interface: type[Any]) -> Callable[[type[T]], type[T]]:
    """Register one instance of the decorated class as the local provider of ``interface``."""

    def register(provider: type[T]) -> type[T]:
        _providers[interface] = provider()
        return provider

    return register


def provider_of(interface: type[Any]) -> Any:
    """Return the local provider of ``interface``, or its stand-in.

    Raises:
        LookupError: its context does not run in this process.
    """
    if interface in _stand_ins:
        return _stand_ins[interface]
    try:
        return _providers[interface]
    except KeyError:
        raise LookupError(f"{interface.__name__} has no provider in this process") from None


def interfaces() -> list[type[Any]]:
    """Return the interfaces that are answered in this process."""
    return list(_providers)


def has_stand_in(interface: type[Any]) -> bool:
    """Say whether a test answers for the context of ``interface`` at the moment, wherever that runs."""
    return interface in _stand_ins


@contextmanager
def provided(interface: type[Any], provider: Any) -> Iterator[None]:
    """Let ``provider`` answer calls to ``interface`` within the block; tests of one context alone use it."""
    before = _stand_ins.get(interface)
    _stand_ins[interface] = provider
    try:
        yield
    finally:
        if before is None:
            del _stand_ins[interface]
        else:
            _stand_ins[interface] = before
