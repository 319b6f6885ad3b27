"""Toy sagas on the real tables of order: a world in which steps leave traces, and one can die at any moment."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from django.db.models import Min

from ecommerce import clock
from ecommerce.ids import new_id
from ecommerce.saga import definition, engine
from ecommerce.saga.definition import Retry, Saga, SagaState, Step, Wait
from ecommerce.saga.models import SagaInstance, SagaStep
from ecommerce.testing import pass_time
from ecommerce.unit_of_work import UnitOfWork, unit_of_work


class Killed(BaseException):
    """The process dies: nothing catches this, as nothing would catch SIGKILL."""


@dataclass
class World:
    """What the steps of toy sagas act upon. Acting twice under one name changes nothing: that is idempotence."""

    effects: list[str] = field(default_factory=list)
    changes: Counter[str] = field(default_factory=Counter)
    """How often each effect came or went."""
    calls: list[str] = field(default_factory=list)
    answers: dict[str, list[Any]] = field(default_factory=dict)
    """For each action what it raises or returns, one call after the other; then it succeeds."""
    boundaries: int = 0
    dies_at: int | None = None

    def boundary(self) -> None:
        """A moment between two things that happen."""
        self.boundaries += 1
        if self.boundaries == self.dies_at:
            raise Killed

    def act(self, action: str) -> Any:
        """Do what ``name.do`` or ``name.undo`` does, once, and answer as planned."""
        self.boundary()
        self.calls.append(action)
        planned = self.answers.get(action, [])
        answer = planned.pop(0) if planned else None
        if isinstance(answer, BaseException):
            raise answer
        if callable(answer):
            answer = answer()
        name, _, direction = action.partition(".")
        if (direction == "do") != (name in self.effects):
            self.changes[action] += 1
            if direction == "do":
                self.effects.append(name)
            else:
                self.effects.remove(name)
        self.boundary()
        return answer

    def step(self, name: str, **policy: Any) -> Step:
        def do(saga: SagaState) -> Any:
            return self.act(f"{name}.do")

        def undo(saga: SagaState) -> None:
            self.act(f"{name}.undo")

        return Step(name, do=do, undo=undo, **policy)


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    """A new world; writing progress is a boundary of it, before and after."""
    world, progress = World(), engine._progress

    def progress_or_die(*args: Any, **kwargs: Any) -> None:
        world.boundary()
        progress(*args, **kwargs)
        world.boundary()

    monkeypatch.setattr(engine, "_progress", progress_or_die)
    return world


@pytest.fixture
def registered(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Saga]:
    """Register a toy saga for the time of a test."""
    monkeypatch.setattr(definition, "_sagas", {})
    monkeypatch.setattr(definition, "_newest", {})

    def register(*steps: Step, type: str = "TOY", version: int = 1) -> Saga:
        return definition.register(Saga(type, steps=steps, version=version))

    return register


@pytest.fixture
def three(world: World, registered: Callable[..., Saga]) -> None:
    registered(world.step("a"), world.step("b", retry=Retry(attempts=3)), world.step("c", retry=Retry(attempts=3)))


def begin(*, subject: UUID | None = None, data: dict[str, Any] | None = None, type: str = "TOY") -> engine.Run:
    """Commit a new saga that nobody has run yet, held by this process."""
    with unit_of_work("order") as work:
        return engine.start(work, type, subject=subject or new_id(), data=data or {}, now=clock.now())


def take_over() -> engine.Run | None:
    """Be a worker that comes by as soon as a saga is due, and take it; None if none ever will be."""
    due = SagaInstance.objects.using("order").aggregate(at=Min("due_at"))["at"]
    if due is None:
        return None
    pass_time("order", max(due - clock.now(), timedelta()))
    return engine.claim_due("order")[0]


def resume(*, hours: float | None = None) -> engine.Run | None:
    """Be a worker that comes by as soon as a saga is due, or so many hours later, and runs one if there is one."""
    if hours is None:
        claimed = take_over()
    else:
        pass_time("order", timedelta(hours=hours))
        claimed = next(iter(engine.claim_due("order")), None)
    return engine.run(claimed) if claimed else None


def resume_until_it_rests(*, most: int = 100) -> None:
    for _ in range(most):
        if resume() is None:
            return
    raise AssertionError(f"still something to do after {most} runs")


class RolledBack(Exception):
    pass


@contextmanager
def rolled_back() -> Iterator[UnitOfWork]:
    """A unit of work that does not commit."""
    try:
        with unit_of_work("order") as work:
            yield work
            raise RolledBack
    except RolledBack:
        return


@contextmanager
def dying() -> Iterator[None]:
    """Survive, in the test, the death of the process."""
    with pytest.raises(Killed):
        yield


def stored(saga_id: UUID) -> SagaInstance:
    return SagaInstance.objects.using("order").get(id=saga_id)


def steps(saga_id: UUID) -> list[tuple[str, str, str]]:
    """Return name, direction and status of every attempt, in order."""
    rows = SagaStep.objects.using("order").filter(saga_id=saga_id).order_by("id")
    return list(rows.values_list("name", "direction", "status"))


def until_tomorrow(**data: Any) -> Wait:
    return Wait(until=clock.now() + timedelta(days=1), data=data)
