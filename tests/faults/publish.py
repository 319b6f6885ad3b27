"""``python -m tests.faults.publish``: reads orders as lines of JSON, carries each out, and answers with a line.

Every committed event is noted in ``fault_committed`` by its own transaction, so what was committed is known even where
the answer to the commit was lost.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from random import Random
from typing import Any
from uuid import UUID

import django

NOTE = "INSERT INTO fault_committed (event_id, subject, version, type, mode) VALUES (%s, %s, %s, %s, %s)"
VERSIONS = "SELECT subject, max(version) FROM fault_committed GROUP BY subject"
PATIENCE = 60
ROLLED_BACK = "INSERT INTO fault_rolled_back (event_id) VALUES (%s)"


class Undone(Exception):
    """The unit of work is given up on purpose."""


def main() -> None:
    django.setup()
    for line in sys.stdin:
        order = json.loads(line)
        try:
            answer = ORDERS[order.pop("do")](**order)
        except Exception as error:
            answer = {"error": repr(error)}
        print(json.dumps(answer), flush=True)


def publish(events: list[dict[str, Any]]) -> dict[str, Any]:
    """Publish events in one unit of work, each with the next version of its subject if it names none."""
    return {"ids": _commit(events, _versions_once_it_answers())}


def load(
    *, seed: int, events: int, subjects: int, rollback: float = 0.1, rate: float = 0, most: int = 20, mode: str = ""
) -> dict[str, Any]:
    """Publish ``events`` in small units of work, at ``rate`` a second or as fast as it goes.

    The first and some of the others are given up before they are committed. A database that does not answer is asked
    again.
    """
    random, undone, errors, slowest, started = Random(seed), 0, 0, 0.0, time.monotonic()
    names = [str(UUID(int=random.getrandbits(128), version=4)) for _ in range(subjects)]
    versions = _versions_once_it_answers()
    while (done := sum(versions.get(name, 0) for name in names)) < events:
        size = min(events - done, random.randint(1, most))
        batch = [{"subject": random.choice(names), "mode": mode} for _ in range(size)]
        begun = time.monotonic()
        try:
            if rollback and (not undone or random.random() < rollback):
                _undo(batch, versions)
                undone += size
            else:
                _commit(batch, versions)
        except Exception:
            errors += 1
            versions = _versions_once_it_answers()
        slowest = max(slowest, time.monotonic() - begun)
        if rate:
            time.sleep(max(0.0, started + done / rate - time.monotonic()))
    return {"committed": done, "undone": undone, "errors": errors, "slowest": slowest}


def late(**event: Any) -> dict[str, Any]:
    """Write an event into the outbox and keep the transaction open until another line arrives, then commit."""
    from django.db import connections, transaction

    from ecommerce import clock
    from ecommerce.outbox.append import append
    from ecommerce.topology import current
    from ecommerce.unit_of_work import UnitOfWork

    with transaction.atomic(using="order"):
        with connections["order"].cursor() as cursor:
            cursor.execute("SET LOCAL idle_in_transaction_session_timeout = 0")
        work = UnitOfWork(current()["order"])
        ids = _publish(work, [event], _versions())
        append("order", work.events, now=clock.now())
        print(json.dumps({"written": ids}), flush=True)
        sys.stdin.readline()
    return {"ids": ids}


def replay(times: int) -> dict[str, Any]:
    """Hand the whole archive of counted events to the handler, again and again."""
    from datetime import UTC, datetime

    from config.replay import Replay
    from ecommerce import clock
    from ecommerce.ids import new_id
    from ecommerce.inbox.registry import handlers
    from ecommerce.topology import current

    handler = next(each for each in handlers(context="cart") if each.name == "cart.count_effect")
    read = 0
    for _ in range(times):
        types, beginning = [handler.event.type], datetime(1970, 1, 1, tzinfo=UTC)
        run = Replay(current()["order"], handler, types, new_id(), beginning, clock.now())
        read += max((tally.read for tally in run.run()), default=0)
    return {"read": read}


def retention(keep_days: int) -> dict[str, Any]:
    """Drop the days of the archive that are older than ``keep_days``."""
    from ecommerce import clock
    from ecommerce.outbox.archive import maintain

    return {"dropped": maintain("order", now=clock.now(), keep_days=keep_days)}


def discard(parked: int) -> dict[str, Any]:
    """Give up a parked message, as the back office does."""
    from ecommerce.inbox.staff import discard as give_up

    return {"discarded": give_up("cart", parked, reason="test", actor="test")}


def sagas() -> dict[str, Any]:
    """Return the steps of the newest version of every saga, each with the ways in which it does something."""
    from ecommerce.saga.definition import definitions

    return {
        "sagas": {
            saga.type: [
                (step.name, direction)
                for step in saga.steps
                for direction, act in (("do", step.do), ("undo", step.undo))
                if act is not None
            ]
            for saga in definitions()
        }
    }


def prepare_shop(password: str) -> dict[str, Any]:
    """Load what a shop needs before it sells: who works there, what is given away, how things are sent."""
    from django.core.management import call_command

    call_command("load_demo_users", password=password, verbosity=0, stdout=sys.stderr)
    for command in ("load_demo_promotions", "load_demo_shipping"):
        call_command(command, verbosity=0, stdout=sys.stderr)
    return {}


def retry_sagas(subject: str) -> dict[str, Any]:
    """Let the parked sagas of an order be tried again, as the back office does."""
    from ecommerce import clock
    from ecommerce.saga import staff
    from ecommerce.saga.models import SagaInstance

    parked = SagaInstance.objects.using("order").filter(subject=subject, status="PARKED").order_by("id")
    for saga in parked:
        staff.retry("order", saga.id, actor="user:test", now=clock.now())
    return {"retried": [saga.saga_type for saga in parked]}


def _commit(events: list[dict[str, Any]], versions: dict[str, int]) -> list[str]:
    from ecommerce.unit_of_work import unit_of_work

    reached = dict(versions)
    with unit_of_work("order") as work:
        ids = _publish(work, events, reached)
    versions.update(reached)
    return ids


def _undo(events: list[dict[str, Any]], versions: dict[str, int]) -> None:
    """Publish and give up: half of the time before the outbox is written, half of the time after."""
    from django.db import connections, transaction

    from ecommerce import clock
    from ecommerce.outbox.append import append
    from ecommerce.topology import current
    from ecommerce.unit_of_work import UnitOfWork, unit_of_work

    ids: list[str] = []
    with _given_up(), unit_of_work("order") as work:
        ids += _publish(work, events, dict(versions))
        raise Undone
    with _given_up(), transaction.atomic(using="order"):
        written = UnitOfWork(current()["order"])
        ids += _publish(written, events, dict(versions))
        append("order", written.events, now=clock.now())
        raise Undone
    with connections["order"].cursor() as cursor:
        cursor.executemany(ROLLED_BACK, [[each] for each in ids])


@contextmanager
def _given_up() -> Iterator[None]:
    try:
        yield
    except Undone:
        return


def _publish(work: Any, events: list[dict[str, Any]], versions: dict[str, int]) -> list[str]:
    from django.db import connections

    from tests.faults.counted import CLASSES

    ids = []
    with connections["order"].cursor() as cursor:
        for event in events:
            subject, type_, mode = event["subject"], event.get("type", "test.counted.v1"), event.get("mode", "")
            version = versions[subject] = event.get("version", versions.get(subject, 0) + 1)
            padding = "x" * event.get("bytes", 0)
            made = CLASSES[type_](subject=UUID(subject), version=version, mode=mode, padding=padding)
            work.publish(made, subject=UUID(subject), version=version)
            ids.append(str(work.events[-1].envelope.id))
            cursor.execute(NOTE, [ids[-1], subject, version, type_, mode])
    return ids


def _versions() -> dict[str, int]:
    from django.db import connections

    with connections["order"].cursor() as cursor:
        cursor.execute(VERSIONS)
        return {str(subject): version for subject, version in cursor.fetchall()}


def _versions_once_it_answers() -> dict[str, int]:
    from django.db import Error, connections

    deadline = time.monotonic() + PATIENCE
    while True:
        connections.close_all()
        try:
            return _versions()
        except Error:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)


ORDERS = {
    "publish": publish, "load": load, "late": late, "replay": replay, "retention": retention, "discard": discard,
    "prepare_shop": prepare_shop, "sagas": sagas, "retry_sagas": retry_sagas,
}  # fmt: skip

if __name__ == "__main__":
    main()
