"""Planted defects, by name: what the checks of money and goods must see. Installed in the rig's own processes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any


def nothing_undone() -> None:
    """Leave out what gives pieces back."""
    from ecommerce.saga import definition

    for saga in definition.registered():
        steps = (replace(step, undo=_nothing) if step.name == "reserve_inventory" else step for step in saga.steps)
        definition.register(replace(saga, steps=tuple(steps)))


def _nothing(state: Any) -> None:
    """Undo nothing."""


SABOTAGE: dict[str, Callable[[], None]] = {"nothing-undone": nothing_undone}
