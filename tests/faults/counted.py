"""An event whose effects can be counted, and the handler that counts them.

The table of effects has no constraint: an effect that happens twice is there twice.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from dataclasses import dataclass
from typing import ClassVar
from uuid import UUID

from django.db import connections

from ecommerce.messaging.envelope import Envelope
from ecommerce.unit_of_work import unit_of_work

PARKED = "SELECT 1 FROM inbox_parked WHERE message_id = %s"
EFFECT = "INSERT INTO fault_effects (event_id, subject, version, worker_pid) VALUES (%s, %s, %s, %s)"
SLOW = 0.02


@dataclass(frozen=True, kw_only=True)
class Counted:
    """``mode`` says what its handler does after it wrote its effect: nothing, or ``fail``, ``fail-first`` (until it is
    parked), ``exit``, ``kill``, ``slow``."""

    type: ClassVar[str] = "test.counted.v1"
    aggregate: ClassVar[str] = "counted"

    subject: UUID
    version: int
    mode: str = ""
    padding: str = ""


@dataclass(frozen=True, kw_only=True)
class CountedLater(Counted):
    """A version that the handler does not know."""

    type: ClassVar[str] = "test.counted.v2"


@dataclass(frozen=True, kw_only=True)
class Unheard(Counted):
    """Nobody listens to it."""

    type: ClassVar[str] = "test.unheard.v1"


CLASSES = {event.type: event for event in (Counted, CountedLater, Unheard)}


def count_effect(event: Counted, envelope: Envelope) -> None:
    """Write one row, and then do what the event says, with the transaction open."""
    with unit_of_work("cart"):
        with connections["cart"].cursor() as cursor:
            cursor.execute(EFFECT, [envelope.id, event.subject, envelope.sequence, os.getpid()])
        if event.mode == "fail" or (event.mode == "fail-first" and not _parked(envelope)):
            raise RuntimeError("told to fail")
        if event.mode == "exit":
            sys.exit("told to end the process")
        if event.mode == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        if event.mode == "slow":
            time.sleep(SLOW)


def _parked(envelope: Envelope) -> bool:
    with connections["cart"].cursor() as cursor:
        cursor.execute(PARKED, [envelope.id])
        return cursor.fetchone() is not None
