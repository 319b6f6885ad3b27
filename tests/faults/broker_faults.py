"""Faults of the broker itself: it breaks connections, goes away, runs out of memory, refuses."""

from __future__ import annotations

import time
from random import Random
from uuid import UUID

from tests.faults.brokers import Rabbit
from tests.faults.invariants import OUTBOX, effects, effects_of, flowing, outbox, published, require, settled, state
from tests.faults.processes import until
from tests.faults.rig import Rig

RATE = 100
SIGN_UPS = 12
SLOW = 3.0
"""Seconds that a commit or a request may take beside everything else that a small machine does."""
STATUS = f"SELECT status, attempts FROM {OUTBOX} WHERE event_id = %s"
PAUSE = f"UPDATE {OUTBOX} SET available_at = now() + interval '1 hour' WHERE event_id = %s AND status = 'BLOCKED'"
WITHOUT_PAUSE = f"UPDATE {OUTBOX} SET available_at = now() WHERE status = 'BLOCKED'"


def cut_off(rig: Rig, random: Random, *, times: int = 4) -> str:
    """Break all connections to the broker, again and again, while events flow."""
    worker = rig.start()
    rig.publisher.order("load", seed=random.getrandbits(32), events=1500, subjects=30, rate=RATE)
    for _ in range(times):
        flowing(rig)
        time.sleep(random.uniform(0, 1))
        rig.broker.cut_off()
    rig.publisher.answer()
    settled(rig)
    require(worker.alive, "the worker ended")
    return f"cut off {times} times"


def restarted(rig: Rig, random: Random) -> str:
    """Restart RabbitMQ while events flow: once in order, once by killing it."""
    broker, worker = rig.broker, rig.start()
    assert isinstance(broker, Rabbit)
    rig.publisher.order("load", seed=random.getrandbits(32), events=1500, subjects=30, rate=RATE)
    for end in (broker.node.stop, broker.node.kill):
        flowing(rig)
        time.sleep(random.uniform(0, 1))
        end()
        broker.node.start()
    answer = rig.publisher.answer()
    require(answer["errors"] == 0, f"{answer['errors']} commits failed without a broker")
    settled(rig)
    require(worker.alive, "the worker ended")
    return f"slowest commit {answer['slowest']:.1f} s"


def out_of_memory(rig: Rig, random: Random) -> str:
    """Raise RabbitMQ's memory alarm, at which it reads nothing more from publishers, while people open accounts."""
    broker, worker, web = rig.broker, rig.start(), rig.web()
    assert isinstance(broker, Rabbit)
    names = [f"{random.getrandbits(64):x}" for _ in range(SIGN_UPS)]
    web.sign_up(f"{random.getrandbits(64):x}")
    rig.publisher.order("load", seed=random.getrandbits(32), events=1500, subjects=30, rate=RATE)
    until(lambda: effects(rig) > 50, "events take effect", within=60)
    try:
        broker.short_of_memory(True)
        until(broker.alarmed, "the alarm is raised", within=30)
        slowest = max(web.sign_up(name) for name in names)
        answer = rig.publisher.answer()
        waiting = len(outbox(rig))
    finally:
        broker.short_of_memory(False)
    require(waiting, "the broker took everything in spite of its alarm")
    require(answer["errors"] == 0 and answer["slowest"] < SLOW, f"commits were disturbed: {answer}")
    require(slowest < SLOW, f"a request took {slowest:.1f} s")
    settled(rig)
    require(worker.alive, "the worker ended")
    return f"slowest commit {answer['slowest']:.1f} s, slowest request {slowest:.1f} s; {waiting} events waited"


def refused_first(rig: Rig, random: Random) -> str:
    """Refuse the first of three events of one subject, and take everything again: the other two wait for the first."""
    subject, other = (str(UUID(int=random.getrandbits(128), version=4)) for _ in range(2))
    rig.start("relay")
    rig.publish({"subject": other})
    until(lambda: published(rig) == 1, "an event is published", within=30)
    rig.broker.refuse()
    try:
        until(lambda: _refuses(rig, random), "the broker refuses", within=30)
        first, *followers = rig.publish(*[{"subject": subject}] * 3)
        until(lambda: rig.query(STATUS, [first])[0][0] == "BLOCKED", "the first event is refused", within=30)
        rig.query(PAUSE, [first])
        rig.query(WITHOUT_PAUSE.replace("BLOCKED'", "BLOCKED' AND event_id <> %s"), [first])
    finally:
        rig.broker.accept()
    rig.start("consumer")
    rig.load(seed=random.getrandbits(32), events=200, subjects=20)
    until(lambda: effects(rig) >= 201, "other events take effect", within=60, state=lambda: state(rig))
    require(effects_of(rig, followers) == 0, "a follower overtook the refused event")
    require(all(rig.query(STATUS, [each]) == [("PENDING", 0)] for each in followers), "a follower was tried")
    rig.query(WITHOUT_PAUSE)
    settled(rig)
    return "its followers were not tried before it"


def _refuses(rig: Rig, random: Random) -> bool:
    """Publish one event and tell whether it was refused. The broker has a moment before it is full."""
    (probe,) = rig.publish({"subject": str(UUID(int=random.getrandbits(128), version=4))})
    until(lambda: rig.query(STATUS, [probe]) != [("PENDING", 0)], "an event is published or refused", within=30)
    return probe in outbox(rig)
