"""Deaths between two things that a saga does. Installed in the rig's own processes; the product knows nothing of it.

A saga's subject, or the cart that becomes its order, has a file with the boundaries at which its process dies, one
after the other. Whoever comes to the first of them strikes it out and kills itself, as a power failure would, or stops
itself.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import replace
from functools import wraps
from pathlib import Path
from typing import Any

from tests.faults.deaths import CHARGED, STOP, Deaths

_at: ContextVar[Any] = ContextVar("at", default=None)


def install(folder: Path) -> None:
    """Let every saga of this process, in all versions, come by its boundaries."""
    from contexts.order.adapters import SandboxGateway
    from ecommerce.saga import definition, engine

    deaths = Deaths(folder)
    for saga in definition.registered():
        steps = tuple(_watched(saga.type, step, deaths) for step in saga.steps)
        definition.register(replace(saga, steps=steps))
    engine._progress = _recorded(engine._progress, deaths)
    for name in CHARGED:
        setattr(SandboxGateway, name, _answered(name, getattr(SandboxGateway, name), deaths))


def _watched(saga: str, step: Any, deaths: Deaths) -> Any:
    acts = {"do": step.do, "undo": step.undo}
    watched = {each: _act(f"{saga}.{step.name}.{each}", act, deaths) for each, act in acts.items() if act}
    return replace(step, **watched)


def _act(name: str, act: Callable[[Any], Any], deaths: Deaths) -> Callable[[Any], Any]:
    @wraps(act)
    def acting(state: Any) -> Any:
        with _bound(state):
            _pass(deaths, f"{name}.before", state)
            result = act(state)
            _pass(deaths, f"{name}.after", state)
            return result

    return acting


def _recorded(progress: Callable[..., None], deaths: Deaths) -> Callable[..., None]:
    @wraps(progress)
    def recording(run: Any, ended: str, *args: Any, **kwargs: Any) -> None:
        progress(run, ended, *args, **kwargs)
        _, step, direction, _ = ended.split(":")
        _pass(deaths, f"{run.saga.type}.{step}.{direction.lower()}.recorded", run)

    return recording


def _answered(name: str, method: Callable[..., Any], deaths: Deaths) -> Callable[..., Any]:
    """The gateway has done it, and nothing is written down yet."""

    @wraps(method)
    def asking(*args: Any, **kwargs: Any) -> Any:
        result = method(*args, **kwargs)
        if (state := _at.get()) is not None:
            _pass(deaths, f"gateway.{name}", state)
        return result

    return asking


@contextmanager
def _bound(state: Any) -> Iterator[None]:
    token = _at.set(state)
    try:
        yield
    finally:
        _at.reset(token)


def _pass(deaths: Deaths, boundary: str, of: Any) -> None:
    for id_ in (of.subject, of.data.get("cart_id")):
        if id_ and (fate := deaths.strike(str(id_), boundary)):
            if not fate.startswith(STOP):
                os.kill(os.getpid(), signal.SIGKILL)
            deaths.note(str(id_), os.getpid())
            os.kill(os.getpid(), signal.SIGSTOP)
