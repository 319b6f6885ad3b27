"""What a saga is: named steps, each with do and undo."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

MARGIN = timedelta(seconds=15)
"""How much longer than its time a step is held: for the wait that it began at the last moment, and for the record."""


class OutcomeUnknown(Exception):
    """The action may have happened: the other side did not answer. The step is run again, and must ask first."""


@dataclass(frozen=True)
class Wait:
    """What a step returns when it can only go on later: at ``until``, or when :func:`signal` is called before."""

    until: datetime
    data: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class SagaState:
    """What a step may know. ``data`` is everything that earlier steps returned, JSON-ready."""

    saga_id: UUID
    subject: UUID
    data: Mapping[str, Any]
    now: datetime
    deadline: datetime
    """By then the step should have ended. Time-outs that ask ``ecommerce.deadline`` know it."""
    key: str
    """The name of this attempt, as ``saga_step`` has it. Another attempt has another: what must be done once however
    often it is tried is named by ids of the subject."""
    error: Mapping[str, Any] | None = None
    """While undoing: what made the saga turn back, as ``step``, ``code``, ``kind``, ``detail`` and ``params``."""


Do = Callable[[SagaState], Mapping[str, Any] | Wait | None]
Undo = Callable[[SagaState], None]


@dataclass(frozen=True)
class Retry:
    """How often a step is tried, and how long it pauses in between.

    Pauses are drawn by lot: from a quarter of ``first_pause`` up to a bound that begins there, doubles with every
    failure and ends at ``longest_pause``. By default an outcome may stay unknown for some three hours.
    """

    attempts: int = 1
    unknown_attempts: int = 60
    """How often an outcome, in either direction, may stay unknown before that counts as a failure."""
    undo_attempts: int = 8
    """A neighbour that cannot be reached uses none of them up: an undo waits for it for as long as it takes."""
    first_pause: timedelta = timedelta(seconds=2)
    longest_pause: timedelta = timedelta(minutes=5)

    def pause(self, failures: int) -> timedelta:
        """Return how long to wait after that many failures in a row."""
        bound: timedelta = self.first_pause * 2 ** min(failures - 1, 20)
        least, most = self.first_pause / 4, min(self.longest_pause, bound)
        return least + (most - least) * random.random()


@dataclass(frozen=True)
class Step:
    """One step. Both functions run outside any transaction and must be idempotent: they may run again after a crash.

    ``do`` returns what later steps need to know. A ``DomainError`` refuses the step and the saga turns back; an
    unavailable neighbour or any other exception is tried again first, as ``retry`` says. The way back begins with the
    ``undo`` of the very step that failed, since part of it may have happened: ``undo`` must cope with nothing to undo.
    A step without ``do`` was done by the transaction that started the saga. From a ``final`` step there is no way back:
    what is refused or keeps failing there waits for a person. A step whose ``when`` says no to the data is passed over
    in both directions: let it look at nothing that a later step learns.

    An attempt has the time ``within``. Nothing interrupts it, but once its lease is over as well it can record no
    progress any more and counts as a crash: another worker tries again.
    """

    name: str
    do: Do | None = None
    undo: Undo | None = None
    retry: Retry = Retry()
    within: timedelta = timedelta(seconds=45)
    final: bool = False
    when: Callable[[Mapping[str, Any]], bool] | None = None

    @property
    def lease(self) -> timedelta:
        """How long an attempt is nobody else's."""
        return self.within + MARGIN

    def applies(self, data: Mapping[str, Any]) -> bool:
        """Whether a saga with this data has this step."""
        return self.when is None or self.when(data)


@dataclass(frozen=True)
class Saga:
    """A saga's definition. Bump ``version`` and keep the old definition registered while instances of it live."""

    type: str
    steps: tuple[Step, ...]
    version: int = 1

    def following(self, position: int, data: Mapping[str, Any]) -> int | None:
        """Return the position of the next step that applies behind ``position``, None behind the last."""
        return next((i for i, step in enumerate(self.steps) if i > position and step.applies(data)), None)

    def position(self, name: str) -> int:
        """Return where the step of that name stands."""
        return next(position for position, step in enumerate(self.steps) if step.name == name)


_sagas: dict[tuple[str, int], Saga] = {}
_newest: dict[str, Saga] = {}


def register(saga: Saga) -> Saga:
    """Make a definition known to the engine of this process; return it."""
    _sagas[saga.type, saga.version] = saga
    if saga.version >= _newest.get(saga.type, saga).version:
        _newest[saga.type] = saga
    return saga


def definition(saga_type: str, version: int | None = None) -> Saga:
    """Return a definition, the newest unless ``version`` is given.

    Raises:
        LookupError: it is not registered here.
    """
    try:
        return _newest[saga_type] if version is None else _sagas[saga_type, version]
    except KeyError:
        raise LookupError(f"no definition of saga {saga_type} version {version}") from None


def definitions() -> list[Saga]:
    """Return the newest definition of every saga, by type."""
    return [_newest[saga_type] for saga_type in sorted(_newest)]


def registered() -> list[Saga]:
    """Return every definition that this process can run, old versions included."""
    return list(_sagas.values())
