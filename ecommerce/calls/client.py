"""``connect``: the one door to another context."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import structlog
from django.conf import settings
from django.db import connections

from ecommerce import codec
from ecommerce.calls.operation import Operation, operations
from ecommerce.calls.providers import has_stand_in, provider_of
from ecommerce.calls.remote import neighbour
from ecommerce.errors import DomainError, Unavailable
from ecommerce.observability import tracing
from ecommerce.topology import current

T = TypeVar("T")
log = structlog.get_logger(__name__)


class CallInTransaction(RuntimeError):
    """Another context was called while a transaction was open. Read first, then open the unit of work."""


def connect(interface: type[T]) -> T:
    """Return an object with the methods of ``interface`` that reaches its context wherever that runs.

    Methods take keyword arguments only. They raise the interface's own errors, ``TooMany`` beyond a limit,
    ``CallInTransaction`` inside an open transaction, ``Unavailable`` when the context broke, and its subclass
    ``Unreachable`` when nobody can say so.
    """
    return cast(T, Client(interface))


class Client:
    """Forwards the methods of one interface; each is looked up once."""

    def __init__(self, interface: type[Any]) -> None:
        self._interface = interface

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name not in getattr(self._interface, "__abstractmethods__", ()):
            raise AttributeError(f"{self._interface.__name__} has no method {name}")
        method = Method(operations(self._interface)[name])
        setattr(self, name, method)
        return method


class Method:
    """One method of an interface, wherever its context runs. What holds for one shape holds for the other: keyword
    arguments within their limits, no open transaction, errors with plain ``params``."""

    def __init__(self, operation: Operation) -> None:
        self._operation = operation
        self._about = {"rpc.method": str(operation), "peer.service": operation.terms.context}

    def __call__(self, **arguments: Any) -> Any:
        operation = self._operation
        refuse_open_transaction(str(operation))
        operation.check(arguments)
        context = operation.terms.context
        if context in current().by_name and not current()[context].local and not has_stand_in(operation.interface):
            with tracing.span(str(operation), self._about, kind="client"):
                return neighbour(context, current().url_of(context)).call(operation, arguments)
        with tracing.span(str(operation), self._about):
            return _call_here(operation, arguments)


def _call_here(operation: Operation, arguments: dict[str, Any]) -> Any:
    if settings.CALLS_ROUND_TRIP:
        arguments = operation.decode_arguments(codec.encode(arguments))
    try:
        result = getattr(provider_of(operation.interface), operation.name)(**arguments)
    except DomainError as error:
        error.params = codec.to_builtins(error.params)
        raise
    except Exception as error:
        context = operation.terms.context
        log.exception("call_failed", call=str(operation))
        raise Unavailable(f"{context} could not do what was asked.", context=context) from error
    return operation.decode_result(codec.encode(result)) if settings.CALLS_ROUND_TRIP else result


def refuse_open_transaction(what: str) -> None:
    """Raise CallInTransaction if any database connection of this thread is inside a transaction.

    The transaction that Django's ``TestCase`` wraps around a test does not count.
    """
    for connection in connections.all(initialized_only=True):
        # An atomic block that the test runner opened marks itself; `in_atomic_block` alone would count it too.
        blocks = getattr(connection, "atomic_blocks", ())
        if any(not block._from_testcase for block in blocks):
            raise CallInTransaction(f"{what} called while a transaction is open on {connection.alias}")
