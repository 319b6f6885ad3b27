"""The generated document of the sagas: a diagram and a table of each, drawn from its definition."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from dataclasses import fields
from datetime import timedelta
from typing import Any, get_args, get_type_hints

from config.documents_format import GENERATED, code, joined, table
from config.landscape import Landscape
from ecommerce.saga.definition import MARGIN, Retry, Saga, Step, Wait, definition

INTRODUCTION = """
How a saga runs is told in [0007](adr/0007-sagas.md) and [0026](adr/0026-time-of-a-step.md). On the left the steps go
down, on the right what undoes them goes up. Whatever step is refused or given up: the way back begins with the undo of
that very step. A dashed step is passed over when its condition says no. From a step with double edges there is no way
back: when it is given up it waits for a person. So does an undo that is given up, while the others still run.
"""
DEFAULTS = f"""
Unless a table says otherwise a step is tried once, an undo {Retry().undo_attempts} times, and an outcome may stay
unknown {Retry().unknown_attempts} times. An undo whose neighbour cannot be reached waits for as long as that takes.
Pauses begin at {Retry().first_pause.seconds} seconds and double up to {Retry().longest_pause.seconds} seconds, by lot.
An attempt has {Step("").within.seconds} seconds, and its lease is {MARGIN.seconds} seconds longer.
"""


def saga_catalogue(landscape: Landscape) -> str:
    """Return every version of every saga, with what its steps do, call and are undone by."""
    chapters = (part for saga in landscape.sagas for part in _chapter(landscape, saga))
    return joined("# Sagas", GENERATED, INTRODUCTION, DEFAULTS, *chapters)


def _chapter(landscape: Landscape, saga: Saga) -> Iterator[str]:
    old = saga != definition(saga.type)
    yield f"## {saga.type}, version {saga.version}{', for instances that began with it' if old else ''}"
    yield "\n".join(("```mermaid", "flowchart LR", *_diagram(saga), "```"))
    yield table(
        ("step", "do", "calls", "undo", "calls", "tried"),
        [
            (
                code(step.name),
                _said(step.do) or "done by the transaction that starts the saga",
                _called(landscape, step.do),
                _said(step.undo) or "–",
                _called(landscape, step.undo),
                _policy(step),
            )
            for step in saga.steps
        ],
    )


def _diagram(saga: Saga) -> Iterator[str]:
    """Draw two columns. They are linked as a whole: a link between their steps would make Mermaid mix them."""
    yield '    subgraph do["do"]'
    yield "        direction TB"
    for number, step in enumerate(saga.steps):
        following = f"do{number + 1}" if number + 1 < len(saga.steps) else "completed"
        yield f"        do{number}{_node(step)} --> {following}"
        if _waits(step):
            yield f'        do{number} -.-> wait{number}{{{{"waits, until signalled or due"}}}} -.-> do{number}'
        if step.final:
            yield f'        do{number} -. "given up" .-> parked([PARKED])'
    yield "        completed([COMPLETED])"
    yield "    end"
    back = [step for step in reversed(saga.steps) if step.undo]
    if back:
        yield '    subgraph undo["undo"]'
        yield "        direction BT"
        for number, step in enumerate(back):
            following = f"undo{number + 1}" if number + 1 < len(back) else "compensated"
            yield f'        undo{number}["{step.name}"] --> {following}'
        yield "        compensated([COMPENSATED])"
        yield "    end"
        yield '    do -. "refused or given up" .-> undo'
    conditional = [f"do{number}" for number, step in enumerate(saga.steps) if step.when]
    if conditional:
        yield f"    style {','.join(conditional)} stroke-dasharray: 4"


def _node(step: Step) -> str:
    label = f"{step.name}<br/>if {step.when.__name__}" if step.when else step.name
    if step.do is None:
        return f'("{label}")'
    return f'[["{label}"]]' if step.final else f'["{label}"]'


def _waits(step: Step) -> bool:
    return step.do is not None and Wait in get_args(get_type_hints(step.do).get("return"))


def _said(function: Callable[..., Any] | None) -> str:
    """Return the first line of what a function says about itself, without Python's markup."""
    return (inspect.getdoc(function) or code(function.__name__)).partition("\n")[0].rstrip(".") if function else ""


def _called(landscape: Landscape, function: Callable[..., Any] | None) -> str:
    return ", ".join(map(code, landscape.calls_of(function))) if function else "–"


def _policy(step: Step) -> str:
    """Return how often a step is tried, and whatever else it does not leave at the default."""
    usual, told = Retry(), []
    if step.do:
        told.append("once" if step.retry.attempts == 1 else f"{step.retry.attempts} times")
    for field in fields(Retry)[1:]:
        value = getattr(step.retry, field.name)
        if value != getattr(usual, field.name):
            told.append(f"{field.name.replace('_', ' ')} {_duration(value)}")
    if step.within != Step("").within:
        told.append(f"within {_duration(step.within)}")
    return ", ".join(told) or "–"


def _duration(value: Any) -> str:
    return f"{value.total_seconds():g} s" if isinstance(value, timedelta) else str(value)
