"""Who publishes what and who hears it, who offers what and who calls it: read from the code, never written down."""

from __future__ import annotations

import ast
import inspect
from dataclasses import dataclass
from functools import cached_property
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

from ecommerce.inbox.registry import Handler, handlers
from ecommerce.topology import Context, Topology


@dataclass(frozen=True)
class PublishedEvent:
    """``publishers`` are modules without ``contexts.``, such as ``order.usecases.pay``."""

    context: str
    event: type[Any]
    publishers: list[str]
    handlers: list[Handler]


@dataclass(frozen=True)
class OfferedMethod:
    """``callers`` are modules without ``contexts.``, such as ``order.sagas``."""

    context: str
    interface: type[Any]
    name: str
    callers: list[str]


@dataclass(frozen=True)
class Landscape:
    """All contexts of a process that runs all of them."""

    topology: Topology

    @property
    def contexts(self) -> tuple[Context, ...]:
        return self.topology.contexts

    @cached_property
    def events(self) -> list[PublishedEvent]:
        """Every event class of every ``events.py``, by context and then as written there."""
        return [
            PublishedEvent(context.name, class_, self._makers_of(class_.__name__), handlers(event_type=class_.type))
            for context in self.contexts
            for class_ in _own_classes(import_module(f"{context.app}.events"))
            if hasattr(class_, "type")
        ]

    @cached_property
    def methods(self) -> list[OfferedMethod]:
        """Every method of every ``interface.py``, by context and then as written there."""
        return [
            OfferedMethod(context.name, class_, name, self._callers_of(class_.__name__, name))
            for context in self.contexts
            for class_ in _own_classes(import_module(f"{context.app}.interface"))
            if inspect.isabstract(class_)
            for name in vars(class_)
            if name in class_.__abstractmethods__
        ]

    @cached_property
    def _sources(self) -> dict[str, Source]:
        """Every module of every context, by its name without ``contexts.``."""
        found = {}
        for context in self.contexts:
            root = Path(next(iter(import_module(context.app).__path__)))
            for path in sorted(root.rglob("*.py")):
                name = ".".join((context.name, *path.relative_to(root).with_suffix("").parts))
                found[name.removesuffix(".__init__")] = read(path.read_text())
        return found

    def _makers_of(self, event: str) -> list[str]:
        return [name for name, source in self._sources.items() if event in source.called]

    def _callers_of(self, interface: str, method: str) -> list[str]:
        return [name for name, source in self._sources.items() if (interface, method) in source.calls]


@dataclass(frozen=True)
class Source:
    """What one module does: the plain names it calls, and the interface methods."""

    called: frozenset[str]
    calls: frozenset[tuple[str, str]]


def read(text: str) -> Source:
    """Find the calls in one source file; those of interfaces by the names given to ``connect(Interface)`` there."""
    nodes = list(ast.walk(ast.parse(text)))
    connected: dict[str, str] = {}
    for node in nodes:
        match node:
            case ast.Assign(
                targets=[ast.Name(name)], value=ast.Call(func=ast.Name("connect"), args=[ast.Name(interface)])
            ):
                connected[name] = interface
    called, calls = set(), set()
    for node in nodes:
        match node:
            case ast.Call(func=ast.Name(name)):
                called.add(name)
            case ast.Attribute(value=ast.Name(name), attr=method) if name in connected:
                calls.add((connected[name], method))
    return Source(frozenset(called), frozenset(calls))


def _own_classes(module: ModuleType) -> list[type[Any]]:
    return [value for value in vars(module).values() if inspect.isclass(value) and value.__module__ == module.__name__]
