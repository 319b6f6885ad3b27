"""One method of an interface as it travels: built once from its signature, for client, server, tests and the gate."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, dataclass, field, fields, is_dataclass, make_dataclass
from functools import cached_property, partial
from types import NoneType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

from ecommerce import codec, errors
from ecommerce.contract import AtMost, Terms, terms_of
from ecommerce.errors import DomainError, TooMany

Check = Callable[[str, Any], None]
"""Takes the name and the value of an argument; raises TooMany."""


@dataclass(frozen=True)
class Operation:
    interface: type[Any]
    name: str
    terms: Terms
    arguments: type[Any]
    """A frozen dataclass with a field for each argument."""
    result: Any
    checks: Mapping[str, Check]
    errors: Mapping[str, type[DomainError]]
    """What a caller may meet, by code: the refusals of the interface's module, and those of the platform."""

    def __str__(self) -> str:
        return f"{self.interface.__name__}.{self.name}"

    @property
    def path(self) -> str:
        return f"/internal/{self.terms.context}/v1/{self.name}"

    @property
    def refusals(self) -> list[type[DomainError]]:
        """The errors that the interface itself declares, by code."""
        return [class_ for _, class_ in sorted(self.errors.items()) if class_.__module__ == self.interface.__module__]

    def check(self, arguments: Mapping[str, Any]) -> None:
        """Hold the arguments to their limits.

        Raises:
            TooMany
        """
        for name, check in self.checks.items():
            if name in arguments:
                check(name, arguments[name])

    def decode_arguments(self, body: bytes) -> dict[str, Any]:
        """Return keyword arguments from their JSON, defaults filled in.

        Raises:
            codec.Undecodable
        """
        decoded = codec.decode(body, self.arguments)
        return {name: getattr(decoded, name) for name in self._names}

    def decode_result(self, body: bytes) -> Any:
        """Return a result from its JSON.

        Raises:
            codec.Undecodable
        """
        return codec.decode(body, self.result)

    @cached_property
    def _names(self) -> tuple[str, ...]:
        return tuple(each.name for each in fields(self.arguments))


def operations(interface: type[Any]) -> Mapping[str, Operation]:
    """Return the operations of an interface by method, as written there.

    Raises:
        TypeError: a method declares no terms, or methods belong to several contexts.
    """
    if interface not in _known:
        _known[interface] = _operations(interface)
    return _known[interface]


_known: dict[type[Any], Mapping[str, Operation]] = {}


def _operations(interface: type[Any]) -> Mapping[str, Operation]:
    methods = [name for name in vars(interface) if name in interface.__abstractmethods__]
    found = {name: _operation(interface, name) for name in methods}
    if len({each.terms.context for each in found.values()}) > 1:
        raise TypeError(f"the scopes of {interface.__name__} name several contexts")
    return found


def _operation(interface: type[Any], name: str) -> Operation:
    method = getattr(interface, name)
    hints = get_type_hints(method, include_extras=True)
    parameters = [each for each in inspect.signature(method).parameters.values() if each.name != "self"]
    made = [
        (each.name, hints[each.name], field(default=MISSING if each.default is each.empty else each.default))
        for each in parameters
    ]
    checks = {each.name: check for each in parameters if (check := _check_of(hints[each.name]))}
    title = f"{interface.__name__}_{name}"
    arguments = make_dataclass(title, made, frozen=True, kw_only=True)
    return Operation(interface, name, terms_of(method), arguments, hints["return"], checks, _errors(interface))


def _errors(interface: type[Any]) -> dict[str, type[DomainError]]:
    classes = [*vars(errors).values(), *vars(sys.modules[interface.__module__]).values()]
    return {class_.code: class_ for class_ in classes if inspect.isclass(class_) and issubclass(class_, DomainError)}


def _check_of(hint: Any) -> Check | None:
    """Return what checks a value of this type, None when nothing in it has a limit."""
    most = next((note.items for note in get_args(hint)[1:] if isinstance(note, AtMost)), None)
    if get_origin(hint) is Annotated:
        hint = get_args(hint)[0]
    inner = _check_of_parts(hint)
    return partial(_at_most, most, inner) if most is not None else inner


def _check_of_parts(hint: Any) -> Check | None:
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (list, Sequence) and (inner := _check_of(arguments[0])):
        return partial(_each, inner)
    if origin in (Union, UnionType):
        known = [(option, check) for option in arguments if option is not NoneType and (check := _check_of(option))]
        return partial(_one_of, known) if known else None
    if isinstance(hint, type) and is_dataclass(hint):
        hints = get_type_hints(hint, include_extras=True)
        checks = {each.name: check for each in fields(hint) if (check := _check_of(hints[each.name]))}
        return partial(_fields, checks) if checks else None
    return None


def _at_most(limit: int, inner: Check | None, name: str, value: Sequence[Any]) -> None:
    if len(value) > limit:
        raise TooMany(f"{name} takes at most {limit}, not {len(value)}.", argument=name, limit=limit, given=len(value))
    if inner:
        inner(name, value)


def _each(inner: Check, name: str, value: Sequence[Any]) -> None:
    for item in value:
        inner(name, item)


def _one_of(checks: Sequence[tuple[Any, Check]], name: str, value: Any) -> None:
    for option, check in checks:
        if value is not None and (not isinstance(option, type) or isinstance(value, option)):
            check(name, value)


def _fields(checks: Mapping[str, Check], name: str, value: Any) -> None:
    for each, check in checks.items():
        check(f"{name}.{each}", getattr(value, each))
