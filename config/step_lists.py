"""Released step lists: which steps an instance of each saga version may stand at, one file per version.

An instance keeps the number of its step, and finishes under the version it began with. So the list of a version that
was released never changes; how often and how long its steps are tried may.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Any

from config.releases import Gate, Incompatible
from ecommerce.saga.definition import Saga, Step

RULE = (
    "give the changed saga a new version and keep the old definition registered while instances of it live; "
    "then remove its file with it"
)


def gate(sagas: Sequence[Saga], directory: Path) -> Gate:
    """Compare definitions, of all versions, with the files in ``directory``, which need not exist."""
    result = Gate(rule=RULE)
    released = {path.name.removesuffix(".json"): json.loads(path.read_text()) for path in directory.glob("*.json")}
    current = {name_of(saga): step_list(saga) for saga in sagas}
    for name, steps in current.items():
        if name not in released:
            result.unreleased[name] = [f"  {name}: new step list"]
        else:
            result.breaches += _changes(name, released[name]["steps"], steps["steps"])
    for name in sorted(released.keys() - current.keys()):
        result.breaches.append(f"  {name}: not registered any more")
    return result


def release(sagas: Sequence[Saga], directory: Path) -> list[str]:
    """Write the step lists of new sagas and versions; return their names.

    Raises:
        Incompatible: a released list changed; nothing was written.
    """
    result = gate(sagas, directory)
    if result.breaches:
        raise Incompatible(result.refusal)
    directory.mkdir(parents=True, exist_ok=True)
    for saga in sagas:
        if name_of(saga) in result.unreleased:
            text = json.dumps(step_list(saga), indent=2) + "\n"
            (directory / f"{name_of(saga)}.json").write_text(text)
    return list(result.unreleased)


def name_of(saga: Saga) -> str:
    """Return what a version of a saga is called, as its file is."""
    return f"{saga.type}.v{saga.version}"


def step_list(saga: Saga) -> dict[str, Any]:
    """Return what instances of a version rely on."""
    return {"type": saga.type, "version": saga.version, "steps": [_promise(step) for step in saga.steps]}


def _promise(step: Step) -> dict[str, Any]:
    return {
        "name": step.name,
        "do": step.do is not None,
        "undo": step.undo is not None,
        "final": step.final,
        "conditional": step.when is not None,
    }


def _changes(name: str, old: list[dict[str, Any]], new: list[dict[str, Any]]) -> list[str]:
    return [
        f"  {name} step {number}: was {_told(before)}, is {_told(after)}"
        for number, (before, after) in enumerate(zip_longest(old, new), start=1)
        if before != after
    ]


def _told(step: dict[str, Any] | None) -> str:
    """Return a step as a person reads it: ``process_payment (do, undo)``."""
    if step is None:
        return "none"
    return f"{step['name']} ({', '.join(fact for fact, holds in step.items() if holds is True) or 'done by the start'})"
