"""Which handler of which context listens to which event."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar, overload

from ecommerce.messaging.envelope import Envelope
from ecommerce.messaging.upcasting import with_older
from ecommerce.topology import current

E = TypeVar("E")
R = TypeVar("R")
HandlerFunction = Callable[[E, Envelope], None]
ReadingHandlerFunction = Callable[[E, Envelope, R], None]


@dataclass(frozen=True)
class Handler:
    """A function that reacts to one event type; ``name`` is its identity in the inbox and must never change."""

    name: str
    context: str
    event: type[Any]
    function: Callable[..., None]
    reading: Callable[[Sequence[Any]], Any] | None = None

    def read(self, events: Sequence[Any]) -> tuple[Any, ...]:
        """Return what the function gets beside each of these events and its envelope; call it outside a transaction."""
        return (self.reading(events),) if self.reading else ()


_handlers: dict[str, Handler] = {}


@overload
def subscribe(event: type[E]) -> Callable[[HandlerFunction[E]], HandlerFunction[E]]: ...


@overload
def subscribe(
    event: type[E], *, reading: Callable[[Sequence[E]], R]
) -> Callable[[ReadingHandlerFunction[E, R]], ReadingHandlerFunction[E, R]]: ...


def subscribe(event: type[Any], *, reading: Callable[[Sequence[Any]], Any] | None = None) -> Callable[..., Any]:
    """Register a function of ``contexts/<context>/handlers.py`` as a handler of ``event``.

    The function gets the decoded event and its envelope, and calls one use case. It is called at least once per event;
    its unit of work takes effect once. Those of a batch of events share a transaction, in which other contexts cannot
    be called. What a handler needs of them is fetched beforehand by ``reading``: it gets the events of a batch, asks
    once for all of them, and what it returns is the third argument of the function for each. Handlers with the same
    ``reading`` share its answer, so it may get events of several types.
    """

    def register(function: Callable[..., None]) -> Callable[..., None]:
        context = current().of_module(function.__module__)
        name = f"{context.name}.{function.__name__}"
        if name in _handlers and _handlers[name].function.__qualname__ != function.__qualname__:
            raise ValueError(f"two handlers are called {name}")
        _handlers[name] = Handler(name=name, context=context.name, event=event, function=function, reading=reading)
        return function

    return register


def handlers(*, context: str | None = None, event_type: str | None = None) -> list[Handler]:
    """Return the registered handlers, by name, of one context and one event type if given."""
    return [
        handler
        for name, handler in sorted(_handlers.items())
        if context in (None, handler.context) and event_type in (None, handler.event.type)
    ]


def listeners(context: str) -> dict[str, list[Handler]]:
    """Return the handlers of one context by every type they are handed, old versions included."""
    found: dict[str, list[Handler]] = {}
    for handler in handlers(context=context):
        for type_ in sorted(with_older([handler.event.type])):
            found.setdefault(type_, []).append(handler)
    return found


def bindings() -> dict[str, list[str]]:
    """Return what the queue of each local context must be bound to: queue name to sorted event types.

    Old versions of the types that are handled belong to them: an archive that is replayed still holds such events.
    """
    return {context.queue: sorted(listeners(context.name)) for context in current().local}
