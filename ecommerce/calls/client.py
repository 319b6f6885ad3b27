"""``connect``: the one door to another context."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast, get_type_hints

from django.conf import settings
from django.db import connections

from ecommerce import codec
from ecommerce.calls.providers import provider_of

T = TypeVar("T")


class CallInTransaction(RuntimeError):
    """Another context was called while a transaction was open. Read first, then open the unit of work."""


def connect(interface: type[T]) -> T:
    """Return an object with the methods of ``interface`` that reaches its context wherever that runs.

    Methods take keyword arguments only. They raise the interface's own errors, ``CallInTransaction`` inside an open
    transaction, and ``Unavailable`` when the context cannot be reached.
    """
    return cast(T, Client(interface))


class Client:
    """Forwards the methods of one interface; each is looked up once."""

    def __init__(self, interface: type[Any]) -> None:
        self._interface = interface

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name not in getattr(self._interface, "__abstractmethods__", ()):
            raise AttributeError(f"{self._interface.__name__} has no method {name}")
        method = Method(self._interface, name)
        setattr(self, name, method)
        return method


class Method:
    """One method of an interface, called in this process."""

    def __init__(self, interface: type[Any], name: str) -> None:
        self._interface = interface
        self._name = name
        self._hints = get_type_hints(getattr(interface, name))

    def __call__(self, **arguments: Any) -> Any:
        refuse_open_transaction(f"{self._interface.__name__}.{self._name}")
        if settings.CALLS_ROUND_TRIP:
            arguments = {name: codec.round_trip(value, self._hints[name]) for name, value in arguments.items()}
        result = getattr(provider_of(self._interface), self._name)(**arguments)
        return codec.round_trip(result, self._hints["return"]) if settings.CALLS_ROUND_TRIP else result


def refuse_open_transaction(what: str) -> None:
    """Raise CallInTransaction if any database connection of this thread is inside a transaction.

    The transaction that Django's ``TestCase`` wraps around a test does not count.
    """
    for connection in connections.all(initialized_only=True):
        # An atomic block that the test runner opened marks itself; `in_atomic_block` alone would count it too.
        blocks = getattr(connection, "atomic_blocks", ())
        if any(not block._from_testcase for block in blocks):
            raise CallInTransaction(f"{what} called while a transaction is open on {connection.alias}")
