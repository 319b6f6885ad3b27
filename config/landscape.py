"""Who publishes what and who hears it, who offers what and who calls it: read from the code, never written down."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

from ecommerce.contract import Terms, terms_of
from ecommerce.inbox.registry import Handler, handlers
from ecommerce.saga.definition import Saga, registered
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

    @property
    def terms(self) -> Terms:
        return terms_of(getattr(self.interface, self.name))


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

    @property
    def sagas(self) -> list[Saga]:
        """Every version of every saga, by type and version."""
        return sorted(registered(), key=lambda saga: (saga.type, saga.version))

    def calls_of(self, function: Callable[..., Any]) -> list[str]:
        """Return what a function of a context calls, with its own module's functions that it calls: methods of other
        contexts and use cases of its own, as ``catalog.reserve_stock``."""
        module = function.__module__.removeprefix("contexts.")
        return self._sources[module].calls_of(function.__name__)

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
    """What one module does: the plain names it calls, and the interface methods; also by function."""

    called: frozenset[str]
    calls: frozenset[tuple[str, str]]
    imported: dict[str, str]
    """Name to the module it comes from."""
    functions: dict[str, list[str | tuple[str, str]]]
    """The calls of each function in order: plain names, and interfaces with methods."""

    def calls_of(self, function: str) -> list[str]:
        return list(dict.fromkeys(self._calls_of(function)))

    def _calls_of(self, function: str) -> Iterator[str]:
        for call in self.functions.get(function, []):
            if isinstance(call, tuple):
                yield f"{self.imported[call[0]].split('.')[1]}.{call[1]}"
            elif ".usecases" in self.imported.get(call, ""):
                yield f"{self.imported[call].split('.')[1]}.{call}"
            elif call in self.functions and call != function:
                yield from self._calls_of(call)


def read(text: str) -> Source:
    """Find the calls in one source file; those of interfaces by the names given to ``connect(Interface)`` there."""
    tree = ast.parse(text)
    connected: dict[str, str] = {}
    imported: dict[str, str] = {}
    for node in ast.walk(tree):
        match node:
            case ast.Assign(
                targets=[ast.Name(name)], value=ast.Call(func=ast.Name("connect"), args=[ast.Name(interface)])
            ):
                connected[name] = interface
            case ast.ImportFrom(module=str(module), names=names):
                imported |= {alias.asname or alias.name: module for alias in names}
    calls = list(_calls(tree, connected))
    return Source(
        frozenset(call for call in calls if isinstance(call, str)),
        frozenset(call for call in calls if isinstance(call, tuple)),
        imported,
        {node.name: list(_calls(node, connected)) for node in tree.body if isinstance(node, ast.FunctionDef)},
    )


def _calls(tree: ast.AST, connected: dict[str, str]) -> Iterator[str | tuple[str, str]]:
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Name(name)):
                yield name
            case ast.Attribute(value=ast.Name(name), attr=method) if name in connected:
                yield connected[name], method


def _own_classes(module: ModuleType) -> list[type[Any]]:
    return [value for value in vars(module).values() if inspect.isclass(value) and value.__module__ == module.__name__]
