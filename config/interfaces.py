"""Released interfaces: what the methods of each context promised when others began to call them, one file per context.

While services are replaced one by one, callers of the last release call today's methods and today's callers those of
the last release. So a method may learn an argument that may be left out, and a result a field that has a default; a
limit may be raised, and errors may come and go, for an unknown code is of its kind's class to the caller. How long a
method may take is no promise.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

from config.compatibility import Difference, differences
from config.landscape import OfferedMethod
from config.releases import DIALECT, Gate, Incompatible, text
from ecommerce import codec
from ecommerce.calls.operation import Operation, operations

RULE = (
    "add a method with the change beside the released one, move every caller to it, and remove the old one "
    "a release later, with its entry in the file"
)


def gate(methods: Sequence[OfferedMethod], directory: Path) -> Gate:
    """Compare the interfaces with the files in ``directory``, which need not exist."""
    return gate_of(promises(methods), directory)


def release(methods: Sequence[OfferedMethod], directory: Path) -> list[str]:
    """Write the promises of new and compatibly changed interfaces; return their contexts.

    Raises:
        Incompatible: some change is not compatible; nothing was written.
    """
    current = promises(methods)
    result = gate_of(current, directory)
    if result.breaches:
        raise Incompatible(result.refusal)
    directory.mkdir(parents=True, exist_ok=True)
    for context in result.unreleased:
        (directory / f"{context}.json").write_text(text(current[context]))
    return list(result.unreleased)


def promises(methods: Sequence[OfferedMethod]) -> dict[str, dict[str, Any]]:
    """Return what each context that is called promises, by its name."""
    by_context = groupby(methods, key=lambda each: each.context)
    return {
        context: promise(context, [operations(each.interface)[each.name] for each in offered])
        for context, offered in by_context
    }


def promise(context: str, offered: Sequence[Operation]) -> dict[str, Any]:
    """Return what callers of a context rely on."""
    return {"$schema": DIALECT, "context": context, "methods": {each.name: _promise(each) for each in offered}}


def gate_of(current: dict[str, dict[str, Any]], directory: Path) -> Gate:
    result = Gate(rule=RULE)
    released = {path.name.removesuffix(".json"): json.loads(path.read_text()) for path in directory.glob("*.json")}
    for context, promised in current.items():
        if context not in released:
            result.unreleased[context] = [f"  {context} #: new interface"]
        elif text(released[context]) != text(promised):
            found = list(_changes(released[context]["methods"], promised["methods"]))
            breaches = [f"  {context} {each}" for each in found if not each.compatible]
            result.breaches += breaches
            if not breaches:
                changes = [f"  {context} {each}" for each in found]
                result.unreleased[context] = changes or [f"  {context} #: written in another order"]
    for context in sorted(released.keys() - current.keys()):
        result.breaches.append(f"  {context} #: it has no interface any more")
    return result


def _promise(operation: Operation) -> dict[str, Any]:
    return {
        "scope": operation.terms.scope,
        "idempotent": operation.terms.idempotent,
        "arguments": codec.json_schema(operation.arguments),
        "result": codec.json_schema(operation.result),
        "errors": {error.code: error.kind.value for error in operation.refusals},
    }


def _changes(released: dict[str, Any], current: dict[str, Any]) -> Iterator[Difference]:
    for name, old in released.items():
        if name not in current:
            yield Difference(f"#/methods/{name}", "method removed")
        else:
            yield from _method_changes(f"#/methods/{name}", old, current[name])
    for name in current.keys() - released.keys():
        yield Difference(f"#/methods/{name}", "method added", compatible=True)


def _method_changes(place: str, old: dict[str, Any], new: dict[str, Any]) -> Iterator[Difference]:
    if old["scope"] != new["scope"]:
        yield Difference(f"{place}/scope", f"scope changed from {old['scope']} to {new['scope']}")
    if old["idempotent"] != new["idempotent"]:
        change = "no longer idempotent, while released callers repeat it" if old["idempotent"] else "became idempotent"
        yield Difference(f"{place}/idempotent", change, compatible=new["idempotent"])
    for part in ("arguments", "result"):
        for each in differences(old[part], new[part]):
            pointer = f"{place}/{part}{each.pointer.removeprefix('#')}"
            yield Difference(pointer, each.change, each.compatible or (part == "arguments" and each.widens))
    for code in old["errors"].keys() | new["errors"].keys():
        before, after = old["errors"].get(code), new["errors"].get(code)
        if before and after and before != after:
            yield Difference(f"{place}/errors/{code}", f"kind changed from {before} to {after}")
        elif before != after:
            yield Difference(f"{place}/errors/{code}", "error added" if after else "error removed", compatible=True)
