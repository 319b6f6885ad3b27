"""Old and new code of the same saga: what a process knows before, and after, a release with one more step."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any


def before_the_last() -> None:
    """Know the first version of CREATE_ORDER and no other, as the code did that was released with it."""
    from ecommerce.saga import definition

    first = definition.definition("CREATE_ORDER", 1)
    for saga in definition.registered():
        if saga.type == first.type and saga.version > first.version:
            del definition._sagas[saga.type, saga.version]
    definition._newest[first.type] = first


def after_the_next() -> None:
    """Know a version more, with a step in the middle of the others."""
    from ecommerce.saga import definition
    from ecommerce.saga.definition import Step

    newest = definition.definition("CREATE_ORDER")
    first, *others = newest.steps
    steps = (first, Step("look_for_fraud", do=_look, undo=_look), *others)
    definition.register(replace(newest, steps=steps, version=newest.version + 1))


def _look(state: Any) -> None:
    """Find nothing."""


CODE: dict[str, Callable[[], None]] = {"before": before_the_last, "after": after_the_next}
